"""The ledger's reads over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import money_pb2, payment_pb2

from edge.adapters.ingest_client import risk_of
from mesh.channel import call

SERVICE: Final = "autopay.ledger.v1.LedgerService"


class GrpcLedger:
    """The port `Ledger` over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        self._batch_get = ledger_pb2_grpc.LedgerServiceStub(channel).BatchGetTransactions

    async def find(self, sources: Sequence[str], tx_id: str, *, timeout_s: float) -> Sequence[dict[str, Any]]:
        """Ask for the id under every source in one call."""
        names = [ledger_pb2.TransactionName(source=source, tx_id=tx_id) for source in sources]
        request = ledger_pb2.BatchGetTransactionsRequest(names=names)
        response: ledger_pb2.BatchGetTransactionsResponse = await call(self._batch_get, request, timeout_s=timeout_s)
        return [_json(transaction) for transaction in response.transactions]


def _json(transaction: ledger_pb2.Transaction) -> dict[str, Any]:
    totals = transaction.totals
    return {
        "source": transaction.source,
        "tx_id": transaction.tx_id,
        "version": transaction.version,
        "status": payment_pb2.PaymentStatus.Name(transaction.status).removeprefix("PAYMENT_STATUS_").lower(),
        "amount": _decimal(transaction.amount) if transaction.HasField("amount") else None,
        "currency": transaction.amount.currency or None,
        "sender_account": transaction.sender_account or None,
        "receiver_account": transaction.receiver_account or None,
        "totals": {
            name: _decimal(money_pb2.Money(minor_units=getattr(totals, name), exponent=transaction.amount.exponent))
            for name in ("authorized", "captured", "refunded", "disputed")
        },
        "flags": [
            payment_pb2.PaymentFlag.Name(flag).removeprefix("PAYMENT_FLAG_").lower() for flag in transaction.flags
        ],
        "risk": risk_of(transaction.risk) if transaction.HasField("risk") else None,
        "event_count": transaction.event_count,
        "recorded_at": _time(transaction.recorded_at_ms),
        "updated_at": _time(transaction.updated_at_ms),
    }


def _decimal(money: money_pb2.Money) -> str:
    """Return an amount as an exact decimal string in major units."""
    digits = str(abs(money.minor_units)).rjust(money.exponent + 1, "0")
    sign = "-" if money.minor_units < 0 else ""
    if not money.exponent:
        return f"{sign}{digits}"
    return f"{sign}{digits[: -money.exponent]}.{digits[-money.exponent :]}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
