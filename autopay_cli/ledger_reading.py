"""Reads payments from the ledger over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from autopay_cli.failure import Failure

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2
    from autopay.type.v1 import money_pb2

    from mesh.identity import Identity

_SERVICE: Final = "autopay.ledger.v1.LedgerService"
_TIMEOUT_S: Final = 5.0
_PAGE_MAX: Final = 500


def get(
    target: str, *, source: str, tx_id: str, full: bool, identity: Identity | None = None
) -> ledger_pb2.Transaction:
    """Return one payment.

    Raises:
        Failure: there is none, or the ledger doesn't answer.
    """
    from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

    from mesh.channel import call, open_channel
    from mesh.errors import Fault

    view = ledger_pb2.TRANSACTION_VIEW_FULL if full else ledger_pb2.TRANSACTION_VIEW_BASIC

    async def ask() -> ledger_pb2.Transaction:
        async with open_channel(target, service=_SERVICE, identity=identity) as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            request = ledger_pb2.GetTransactionRequest(source=source, tx_id=tx_id, view=view)
            answer: ledger_pb2.GetTransactionResponse = await call(stub.GetTransaction, request, timeout_s=_TIMEOUT_S)
            return answer.transaction

    try:
        return asyncio.run(ask())
    except Fault as fault:
        raise _failure(fault, target) from fault


def newest(
    target: str, *, source: str, limit: int, identity: Identity | None = None
) -> Sequence[ledger_pb2.Transaction]:
    """Return up to `limit` payments, newest first, of one source or ("") of all.

    Raises:
        Failure: the ledger doesn't answer.
    """
    from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

    from mesh.channel import call, open_channel
    from mesh.errors import Fault

    selector = ledger_pb2.TransactionSelector(source=source) if source else None

    async def ask() -> Sequence[ledger_pb2.Transaction]:
        found: list[ledger_pb2.Transaction] = []
        token = ""
        async with open_channel(target, service=_SERVICE, identity=identity) as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            while len(found) < limit:
                request = ledger_pb2.ListTransactionsRequest(
                    selector=selector, page_size=min(limit - len(found), _PAGE_MAX), page_token=token
                )
                page = await call(stub.ListTransactions, request, timeout_s=_TIMEOUT_S)
                found.extend(page.transactions)
                token = page.next_page_token
                if not token:
                    break
        return found

    try:
        return asyncio.run(ask())
    except Fault as fault:
        raise _failure(fault, target) from fault


def money(value: money_pb2.Money) -> str:
    """Return an amount in major units, exactly, for example "42.50 EUR"; "" where there is none."""
    if not value.currency:
        return ""
    return f"{Decimal(value.minor_units).scaleb(-value.exponent)} {value.currency}"


def _failure(fault: Exception, target: str) -> Failure:
    from mesh.errors import Fault, Kind

    if isinstance(fault, Fault) and fault.kind in {Kind.UNAVAILABLE, Kind.TIMEOUT}:
        return Failure(
            f"the ledger at {target} does not answer: start the mesh with `autopay up`, or see `autopay doctor`."
        )
    return Failure(fault.message if isinstance(fault, Fault) else str(fault))
