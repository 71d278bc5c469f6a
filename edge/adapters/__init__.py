"""The edge's clients of the services behind it."""
