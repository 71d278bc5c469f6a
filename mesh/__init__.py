"""Shared runtime of every process: servers, channels, batching, errors, tracing, logs, settings. Knows no payment word."""
