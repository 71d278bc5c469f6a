"""The ledger's ports on MongoDB."""
