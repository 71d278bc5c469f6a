"""Calls over the quarantine, as tests make them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, payment_pb2

from mesh.channel import call
from tests.ledgers import TIMEOUT_S, RunningLedger, clock_ms

CONFLICT, WAITING = ledger_pb2.DISPOSITION_CONFLICT, ledger_pb2.DISPOSITION_WAITING
UNPROCESSABLE, DISMISSED = ledger_pb2.DISPOSITION_UNPROCESSABLE, ledger_pb2.DISPOSITION_DISMISSED
RECORDED, IGNORED = ledger_pb2.DISPOSITION_RECORDED, ledger_pb2.DISPOSITION_IGNORED
ACCEPT, DISMISS, REDRIVE = (
    ledger_pb2.RESOLUTION_ACCEPT,
    ledger_pb2.RESOLUTION_DISMISS,
    ledger_pb2.RESOLUTION_REDRIVE,
)


def key_of(body: bytes, source: str = "autopay") -> str:
    """The id of a delivery of these bytes."""
    return f"{source}:{hashlib.sha256(body).hexdigest()}"


async def deliver(
    ledger: RunningLedger,
    body: bytes,
    *events: payment_pb2.PaymentEvent,
    source: str = "autopay",
    delivery_id: str = "",
    **fields: Any,
) -> ledger_pb2.RecordResult:
    """Record a delivery of these bytes, which has one id unless told otherwise, and return what became of it."""
    delivery = delivery_pb2.Delivery(
        delivery_id=delivery_id or f"d-{body.hex()}",
        source=source,
        provider="autopay",
        body=body,
        headers=[delivery_pb2.Header(name="x-one", value=b"\xff\x00")],
        key_id="k1",
        received_at_ms=clock_ms(),
    )
    item = ledger_pb2.RecordItem(
        delivery_id=delivery.delivery_id,
        source=source,
        delivery=delivery,
        events=[ledger_pb2.RecordEvent(event=event) for event in events],
        **fields,
    )
    answer: ledger_pb2.RecordResponse = await call(
        ledger.stub.Record, ledger_pb2.RecordRequest(items=[item]), timeout_s=TIMEOUT_S
    )
    assert not answer.results[0].HasField("error"), answer
    return answer.results[0]


async def listed(ledger: RunningLedger, **fields: Any) -> Sequence[ledger_pb2.StoredDelivery]:
    """One page."""
    request = ledger_pb2.ListDeliveriesRequest(**fields)
    response: ledger_pb2.ListDeliveriesResponse = await call(ledger.stub.ListDeliveries, request, timeout_s=TIMEOUT_S)
    return response.deliveries


async def resolve(
    ledger: RunningLedger, body: bytes, resolution: Any, *, author: str = "ann", note: str = "asked the bank"
) -> ledger_pb2.StoredDelivery:
    """Resolve the delivery of these bytes."""
    request = ledger_pb2.ResolveDeliveryRequest(id=key_of(body), resolution=resolution, author=author, note=note)
    response: ledger_pb2.ResolveDeliveryResponse = await call(ledger.stub.ResolveDelivery, request, timeout_s=TIMEOUT_S)
    return response.delivery


async def lease(ledger: RunningLedger, **fields: Any) -> Sequence[ledger_pb2.StoredDelivery]:
    """Lease waiting deliveries."""
    request = ledger_pb2.LeaseDeliveriesRequest(
        **{"worker": "tests", "deliveries_max": 10, "lease_ms": 5_000, **fields}
    )
    response: ledger_pb2.LeaseDeliveriesResponse = await call(ledger.stub.LeaseDeliveries, request, timeout_s=TIMEOUT_S)
    return response.deliveries


async def full(ledger: RunningLedger, tx_id: str) -> ledger_pb2.Transaction:
    """A payment in full."""
    request = ledger_pb2.GetTransactionRequest(source="autopay", tx_id=tx_id, view=ledger_pb2.TRANSACTION_VIEW_FULL)
    response: ledger_pb2.GetTransactionResponse = await call(ledger.stub.GetTransaction, request, timeout_s=TIMEOUT_S)
    return response.transaction
