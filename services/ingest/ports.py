"""What the use case needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from providers.contract import Event
from services.ingest.model import Answer, Delivery, Entry, EventMessage, RiskMessage


class Encode(Protocol):
    """Turns an event into the message both services take."""

    def __call__(self, event: Event, /) -> EventMessage:
        """Return the message; whatever it raises means that the event can't be sent."""


class Scorer(Protocol):
    """Rates events; nothing depends on it."""

    async def score(self, entries: Sequence[Entry], *, timeout_s: float) -> Sequence[RiskMessage]:
        """Return a risk for each event of the entries, in order.

        Raises:
            Fault: there are none in time.
        """


class Ledger(Protocol):
    """The system of record."""

    async def record(
        self, entries: Sequence[Entry], risks: Sequence[RiskMessage | None], *, timeout_s: float
    ) -> Sequence[Answer]:
        """Record every entry and answer each, in order; an entry fails alone.

        Args:
            entries: 1 to 256.
            risks: one for each event of the entries, in order; None where there is none.
            timeout_s: the most seconds to wait.

        Raises:
            Fault: what became of all of them is unknown.
        """


class Inbox(Protocol):
    """Deliveries that wait to be run through again."""

    async def lease(self, *, count_max: int, lease_s: float, wait_s: float) -> Sequence[Delivery]:
        """Take up to `count_max` that nobody else gets for `lease_s`; wait up to `wait_s` for the first.

        Raises:
            Fault: there are none to be had now.
        """
