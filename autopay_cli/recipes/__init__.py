"""How each provider signs, as its vectors file says: for `autopay conformance`, `autopay sign` and the tests."""
