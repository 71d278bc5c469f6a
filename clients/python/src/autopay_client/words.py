"""The contract's enums as the words people write: "success" for PAYMENT_STATUS_SUCCESS."""

from __future__ import annotations

from typing import Any, Final

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2


class Words:
    """One enum: its numbers as words, and words as its numbers."""

    def __init__(self, enum: Any, prefix: str) -> None:
        """Take an enum of generated code, and what the names of its values begin with."""
        self._words: dict[int, str] = {
            number: name.removeprefix(prefix).lower() for name, number in enum.items() if number
        }
        self._numbers = {word: number for number, word in self._words.items()}

    def number(self, value: str | int) -> int:
        """Return the number of a word; a number is returned as it is, "" is 0.

        Raises:
            ValueError: there is no such word.
        """
        if isinstance(value, int):
            return value
        if not value:
            return 0
        try:
            return self._numbers[value]
        except KeyError:
            raise ValueError(f"{value!r} is none of {', '.join(self._numbers)}") from None

    def word(self, number: int) -> str:
        """Return the word of a number, "" for 0 and for what a newer server knows and this client doesn't."""
        return self._words.get(number, "")

    def __iter__(self) -> Any:
        """Iterate over the words."""
        return iter(self._numbers)


KIND: Final = Words(payment_pb2.EventKind, "EVENT_KIND_")
BASIS: Final = Words(payment_pb2.AmountBasis, "AMOUNT_BASIS_")
DISPUTE_REASON: Final = Words(payment_pb2.DisputeReason, "DISPUTE_REASON_")
STATUS: Final = Words(payment_pb2.PaymentStatus, "PAYMENT_STATUS_")
FLAG: Final = Words(payment_pb2.PaymentFlag, "PAYMENT_FLAG_")
RISK_LEVEL: Final = Words(risk_pb2.RiskLevel, "RISK_LEVEL_")
OUTCOME: Final = Words(ledger_pb2.Outcome, "OUTCOME_")
DISPOSITION: Final = Words(ledger_pb2.Disposition, "DISPOSITION_")
RESOLUTION: Final = Words(ledger_pb2.Resolution, "RESOLUTION_")
ANALYSIS_STATE: Final = Words(ledger_pb2.AnalysisState, "ANALYSIS_STATE_")
ACCOUNT_ROLE: Final = Words(ledger_pb2.AccountRole, "ACCOUNT_ROLE_")
SUMMARY_GROUP: Final = Words(ledger_pb2.SummaryGroup, "SUMMARY_GROUP_")
