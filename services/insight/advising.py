"""Answers what a payment's explanation is: the stored one, else the rules', in one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.insight.explanation import Explanation, Subject
from services.insight.rules_explainer import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A payment as the ledger has it, with its analysis where there is one."""

    subject: Subject
    analysis: Explanation | None


class Payments(Protocol):
    """The ledger's payments."""

    async def find(self, source: str, tx_id: str) -> Recorded:
        """Return one payment.

        Raises:
            Fault: NOT_FOUND, or the ledger can't be reached.
        """


class Adviser:
    """Explains payments to who asks."""

    def __init__(self, payments: Payments) -> None:
        """Look payments up in `payments`."""
        self._payments = payments

    async def advise(self, source: str, tx_id: str) -> tuple[Subject, Explanation]:
        """Return a payment and its explanation.

        One that is queued, parked or was never selected is explained by the rules, at once and without a trace.

        Raises:
            Fault: NOT_FOUND, or the ledger can't be reached.
        """
        found = await self._payments.find(source, tx_id)
        return found.subject, found.analysis or explain(found.subject)
