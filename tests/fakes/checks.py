"""The edge's port `Checks` in memory."""

from __future__ import annotations


class FakeChecks:
    """Everything is well, except what `states` says of (process, service)."""

    def __init__(self) -> None:
        """Let everything be well."""
        self.states: dict[tuple[str, str], bool | None] = {}

    async def check(self, process: str, service: str, *, timeout_s: float) -> bool | None:
        """Return the state that was set."""
        return self.states.get((process, service), True)
