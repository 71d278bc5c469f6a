"""A ledger on the wire that only knows its feed: WatchTransactions over a list of changes that may grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import money_pb2, payment_pb2

from mesh.errors import Fault, Kind
from mesh.server import Server

LEDGER = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name
START_MS = 1_700_000_000_000


class LedgerPeer(ledger_pb2_grpc.LedgerServiceServicer):
    """Streams its changes; a token is a place among them."""

    def __init__(self) -> None:
        """Begin without a change; without a token a watcher begins at `now`, before `oldest` is too late.

        `faults` are raised one by one, each time a stream reaches their place.
        """
        self.changes: list[ledger_pb2.TransactionChange] = []
        self.now = 0
        self.oldest = 0
        self.faults: dict[int, list[Fault]] = {}
        self.tokens: list[str] = []
        self.page_changes = 50
        self.remaining_s: list[float] = []

    async def WatchTransactions(
        self, request: ledger_pb2.WatchTransactionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[ledger_pb2.WatchTransactionsResponse]:
        """Stream from the token on, with quick heartbeats."""
        self.tokens.append(request.resume_token)
        self.remaining_s.append(context.time_remaining() or 0.0)
        place = int(request.resume_token) if request.resume_token else self.now
        if place < self.oldest:
            raise Fault(kind=Kind.OUT_OF_RANGE, reason="TOKEN_TOO_OLD", message="older than the history kept")
        while True:
            if waiting := self.faults.get(place):
                raise waiting.pop(0)
            page = self.changes[place : place + self.page_changes]
            place += len(page)
            yield ledger_pb2.WatchTransactionsResponse(changes=page, resume_token=str(place))
            if not page:
                await asyncio.sleep(0.02)


async def serve_ledger(peer: LedgerPeer, address: str = "127.0.0.1:0") -> tuple[Server, str]:
    """Serve it, healthy; return the server and its address."""
    server = Server(services=[LEDGER], reflect=False)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(peer, server.handlers)
    port = await server.start(address)
    await server.set_healthy(healthy=True)
    return server, f"127.0.0.1:{port}"


def created(
    number: int, *, sender: str = "A", minor_units: int = 2_500, kind: payment_pb2.EventKind | None = None
) -> ledger_pb2.TransactionChange:
    """Return the change that opens payment `number`, one per minute."""
    event = payment_pb2.PaymentEvent(
        tx_id=f"T-{number}",
        event_id=f"E-{number}",
        kind=kind or payment_pb2.EVENT_KIND_CAPTURED,
        amount=money_pb2.Money(minor_units=minor_units, currency="USD", exponent=2) if minor_units else None,
        sender_account=sender,
        receiver_account="R",
    )
    return ledger_pb2.TransactionChange(
        source="autopay",
        tx_id=event.tx_id,
        version=1,
        status=payment_pb2.PAYMENT_STATUS_SUCCESS,
        events=[event],
        recorded_at_ms=START_MS + number * 60_000,
        sender_account=sender,
        receiver_account="R",
        outcome=ledger_pb2.OUTCOME_CREATED,
    )


def disputed(
    number: int,
    reason: payment_pb2.DisputeReason,
    *,
    kind: payment_pb2.EventKind = payment_pb2.EVENT_KIND_DISPUTE_OPENED,
    version: int = 2,
) -> ledger_pb2.TransactionChange:
    """Return a change of payment `number` by an event of a dispute."""
    change = created(number, kind=kind)
    change.events[0].event_id = f"D-{number}-{version}"
    change.events[0].dispute_reason = reason
    change.version = version
    change.outcome = ledger_pb2.OUTCOME_UPDATED
    won = kind == payment_pb2.EVENT_KIND_DISPUTE_WON
    change.status = payment_pb2.PAYMENT_STATUS_SUCCESS if won else payment_pb2.PAYMENT_STATUS_DISPUTED
    return change
