"""What a watcher can be told instead of changes."""

from __future__ import annotations

from mesh.errors import Fault, Kind


def not_a_token() -> Fault:
    """Return the fault of a resume token that is none."""
    return Fault(kind=Kind.INVALID, reason="TOKEN_INVALID", message="resume_token: is none that this ledger gave out.")


def too_slow() -> Fault:
    """Return the fault of a reader that fell too far behind."""
    return Fault(
        kind=Kind.EXHAUSTED,
        reason="SLOW_READER",
        message="The reader fell too far behind; resume from the token in the metadata, and read faster.",
    )


def too_many(watchers_max: int) -> Fault:
    """Return the fault of one watcher more than a process serves."""
    return Fault(
        kind=Kind.EXHAUSTED,
        reason="OVERLOADED",
        message=f"{watchers_max} watchers are here already; watch at another replica.",
        retry_after_s=1.0,
    )


def history_lost() -> Fault:
    """Return the fault of a position whose history is gone."""
    return Fault(
        kind=Kind.OUT_OF_RANGE,
        reason="TOKEN_TOO_OLD",
        message="The resume token is older than the history kept; list the payments, and watch from now on.",
    )


def unreachable() -> Fault:
    """Return the fault of storage that does not answer."""
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="DEPENDENCY_DOWN",
        message="The change stream can't be opened: storage does not answer; try again in a second.",
        metadata={"dependency": "mongodb"},
        retry_after_s=1.0,
    )


def going_down() -> Fault:
    """Return the fault of a process that is ending."""
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="OVERLOADED",
        message="The ledger is shutting down; resume at another replica.",
        retry_after_s=0.1,
    )
