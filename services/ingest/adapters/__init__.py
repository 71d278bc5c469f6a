"""What speaks to insight and the ledger."""
