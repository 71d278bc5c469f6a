"""What insight's ports are made of: MongoDB for what is remembered, the ledger's feed for what happened."""
