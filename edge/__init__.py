"""The HTTP edge: exact bytes in, signature and replay window checked, forwarded in batches, answered when durable."""
