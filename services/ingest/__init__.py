"""Verified deliveries become canonical payment events, scored and recorded."""
