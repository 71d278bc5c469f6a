"""Whether this process may get traffic."""

from __future__ import annotations


class Readiness:
    """True from start to drain.

    Never depends on what is behind the edge, so that a database fail-over means 503 for a few seconds and not a service
    without endpoints.
    """

    def __init__(self) -> None:
        """Begin not ready."""
        self.ready = False
