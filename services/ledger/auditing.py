"""Who saw what in full, and who decided what: written before the answer is given, or there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from mesh import callers
from mesh.errors import Fault, Kind
from services.ledger.model import NotDurable

# In plaintext, on loopback in development, nobody has a name.
NOBODY: Final = "plaintext"


class Action(Enum):
    """What is audited."""

    READ_TRANSACTION = "transaction.read_full"
    READ_DELIVERY = "delivery.read_body"
    RESOLVE_DELIVERY = "delivery.resolve"
    ERASE_DELIVERIES = "delivery.erase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit.

    Attributes:
        caller: the SPIFFE id of who called, `plaintext` where nobody has one.
        action: what was done.
        subjects: the ids of the payments or deliveries it was done to.
        details: what else belongs to it: the person who decided, and why.
        at_ms: when, milliseconds since the Unix epoch.
    """

    caller: str
    action: Action
    subjects: tuple[str, ...]
    details: Mapping[str, str]
    at_ms: int


class AuditTrail(Protocol):
    """Entries that nobody changes or takes back."""

    async def append(self, entry: Entry) -> None:
        """Store an entry; it is majority and journaled when this returns.

        Raises:
            NotDurable: it may not be there.
        """


class Auditor:
    """Notes what the current caller does."""

    def __init__(self, trail: AuditTrail, *, clock_ms: Callable[[], int]) -> None:
        """Write to `trail`; `clock_ms` tells milliseconds since the Unix epoch."""
        self._trail = trail
        self._clock_ms = clock_ms

    async def note(self, action: Action, subjects: Sequence[str], **details: str) -> None:
        """Write down what is about to be shown or done; when this raises, it must not be.

        Raises:
            Fault: UNAVAILABLE, it can't be written down.
        """
        entry = Entry(
            caller=callers.current().name or NOBODY,
            action=action,
            subjects=tuple(subjects),
            details=details,
            at_ms=self._clock_ms(),
        )
        try:
            await self._trail.append(entry)
        except NotDurable as error:
            raise Fault(
                kind=Kind.UNAVAILABLE,
                reason="DEPENDENCY_DOWN",
                message="This is audited, and the audit can't be written now: nothing was shown or done; try again in "
                "a second.",
                metadata={"dependency": "mongodb"},
                retry_after_s=1.0,
            ) from error
