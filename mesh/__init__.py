"""What every process shares: servers, channels, batching, errors, tracing, logs, settings. Knows no payment word."""

import os

# gRPC's core writes lines of its own among the JSON, at INFO for each connection that goes. Read when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
