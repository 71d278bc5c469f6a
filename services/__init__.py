"""The gRPC services behind the edge: ingest, ledger, insight."""

import mesh  # noqa: F401 - before gRPC, which then only reports errors
