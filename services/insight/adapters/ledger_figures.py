"""The port `Figures` over SummarizeTransactions and ListTransactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import risk_pb2

from mesh.channel import call
from services.insight.explanation import decimal
from services.insight.report_model import Anomaly, Period, masked_account
from services.insight.report_ports import By, Group

_CALL_S: Final = 8.0
_GRAVE: Final = (risk_pb2.RISK_LEVEL_CRITICAL, risk_pb2.RISK_LEVEL_HIGH)


class LedgerFigures:
    """The ledger's own sums, exact, and its lists."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub) -> None:
        """Call through `stub`."""
        self._stub = stub

    async def groups(self, period: Period, by: Sequence[By], *, most: int) -> Sequence[Group]:
        """Return the groups with the largest counts.

        Raises:
            Fault: they can't be had.
        """
        request = ledger_pb2.SummarizeTransactionsRequest(
            recorded_since_ms=period.since_ms,
            recorded_until_ms=period.until_ms,
            group_by=[f"SUMMARY_GROUP_{each.name}" for each in by],
            group_limit=most,
        )
        response: ledger_pb2.SummarizeTransactionsResponse = await call(
            self._stub.SummarizeTransactions, request, timeout_s=_CALL_S
        )
        return [
            Group(
                key=dict(row.key),
                exponent=row.amount.exponent,
                count=row.count,
                amount=row.amount.minor_units,
                captured=row.totals.captured,
                refunded=row.totals.refunded,
            )
            for row in response.rows
        ]

    async def risky(self, period: Period, *, most: int) -> Sequence[Anomaly]:
        """Return critical payments, then high ones, of each the newest first.

        Raises:
            Fault: they can't be had.
        """
        found: list[Anomaly] = []
        for level in _GRAVE:
            if len(found) < most:
                request = ledger_pb2.ListTransactionsRequest(
                    selector=ledger_pb2.TransactionSelector(risk_level=level),
                    recorded_since_ms=period.since_ms,
                    recorded_until_ms=period.until_ms,
                    page_size=most - len(found),
                )
                response: ledger_pb2.ListTransactionsResponse = await call(
                    self._stub.ListTransactions, request, timeout_s=_CALL_S
                )
                found += [_anomaly(each) for each in response.transactions]
        return found


def _anomaly(transaction: Any) -> Anomaly:
    amount = transaction.amount
    return Anomaly(
        source=transaction.source,
        tx_id=transaction.tx_id,
        recorded_at_ms=transaction.recorded_at_ms,
        level=risk_pb2.RiskLevel.Name(transaction.risk.level).removeprefix("RISK_LEVEL_").lower(),
        score=transaction.risk.score,
        amount=f"{decimal(amount.minor_units, amount.exponent)} {amount.currency}" if amount.currency else "unknown",
        sender=masked_account(transaction.sender_account),
        receiver=masked_account(transaction.receiver_account),
        reasons=tuple(reason.sentence for reason in transaction.risk.reasons),
    )
