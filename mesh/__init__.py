"""What every process shares: servers, channels, batching, errors, tracing, logs, settings. Knows no payment word."""
