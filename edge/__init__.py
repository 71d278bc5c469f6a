"""The HTTP edge: exact bytes in, signature and replay window checked, forwarded in batches, answered when durable."""

import mesh  # noqa: F401 - before gRPC, which then only reports errors
