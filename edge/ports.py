"""What the edge needs of the services behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from edge.incidents import State
from edge.model import Analysed, Answer, Delivery, RenderedReport
from edge.questions import PaymentsQuestion
from edge.representations import FullPayment, Payment


class Ingest(Protocol):
    """Takes batches of verified deliveries."""

    async def ingest(self, deliveries: Sequence[Delivery], timeout_s: float) -> Sequence[Answer]:
        """Return an answer per delivery, in order.

        Raises:
            Fault: the batch as a whole failed; its outcome is unknown.
        """


class Ledger(Protocol):
    """Reads payments. Every method raises Fault: it can't be read now, or what is asked for is wrong."""

    async def find(self, sources: Sequence[str], tx_id: str, *, timeout_s: float) -> Sequence[Payment]:
        """Return the payment of this id in each of the sources that knows it."""

    async def full(self, source: str, tx_id: str, *, reader: str, timeout_s: float) -> FullPayment:
        """Return a payment with its events; that `reader`, the id of a key, saw it is written down.

        NOT_FOUND where there is none.
        """

    async def analysed(self, source: str, tx_id: str, *, wait_s: float) -> Analysed:
        """Return where a payment's analysis stands, as soon as it is done or given up, at the latest after `wait_s`."""

    async def page(self, question: PaymentsQuestion, *, timeout_s: float) -> tuple[Sequence[Payment], str]:
        """Return one page and the cursor of the next, "" after the last."""


class Checks(Protocol):
    """Asks processes for their health."""

    async def check(self, process: str, service: str, *, timeout_s: float) -> bool | None:
        """Return whether a process says that a service of it, or a dependency it reports, is well; None: it can't tell.

        A process that doesn't answer is not well.
        """


class SharedIncidents(Protocol):
    """What went wrong in all replicas, where they share a storage."""

    async def everywhere(self) -> State | None:
        """Return it, None where there is no storage or it doesn't answer."""


class InsightReports(Protocol):
    """Makes reports. Every method raises Fault: it can't be made now, or not in this format here."""

    async def report(self, since: datetime, until: datetime, form: str, *, timeout_s: float) -> RenderedReport:
        """Return the report of a period as "json", "md", "html" or "pdf"."""

    async def stored(self, form: str, *, timeout_s: float) -> RenderedReport:
        """Return the report that was stored last. NOT_FOUND where none was."""
