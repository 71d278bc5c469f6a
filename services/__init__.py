"""The gRPC services behind the edge: ingest, ledger, insight."""
