"""What a replica does with a payment that a newer version wrote in a form it does not know: it leaves it alone."""

from __future__ import annotations

from collections.abc import Iterable

from mesh.errors import Fault, Kind


class TooNew(Exception):  # noqa: N818 - a state of the rollout, not a bug
    """Stored payments are of a newer form than this replica knows; names their ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        """Name the payments."""
        self.ids = frozenset(ids)
        super().__init__(f"of a newer form than this version knows: {', '.join(sorted(self.ids))}")


def too_new() -> Fault:
    """Return what that means for a caller: another replica may do it, and this one after its update."""
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="SCHEMA_TOO_NEW",
        message="The payment is stored in a newer form than this replica knows; an updated replica can read it.",
        retry_after_s=1.0,
    )
