"""A valid request, or several, for every RPC of the mesh: what a fuzz test starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from autopay.ingest.v1 import ingest_pb2
from autopay.insight.v1 import insight_pb2
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, payment_pb2
from google.protobuf.message import Message

from tests.ledgers import captured, clock_ms, recorded, refunded
from tests.unit.ingest.bodies import UNSAMPLED, native_body

_BODY = b"of no mapping"
_DAY_MS = 86_400_000


def seeds() -> Sequence[Message]:
    """Valid requests, of every RPC's type."""
    return [*_writing(), *_reading(), *_working(), *_outside()]


def _writing() -> Sequence[Message]:
    paid = [
        captured("T-1"),
        captured("T-2", 2**62, "JPY", aliases=["alias-1"], object_id="o-1", description="Dinner"),
        refunded("T-1", 500, basis=payment_pb2.AMOUNT_BASIS_CUMULATIVE),
        refunded("T-2", 2**62, "JPY"),
    ]
    items = [recorded(event, risk=1 + place % 4) for place, event in enumerate(paid)]
    for item in items:
        item.events[0].risk.reasons.add(code="NEW_RECEIVER", sentence="First.", contribution=0.5, evidence={"n": "0"})
    kept = ledger_pb2.RecordItem(
        delivery_id="d-kept",
        source="autopay",
        delivery=_delivery(_BODY),
        disposition=ledger_pb2.DISPOSITION_UNPROCESSABLE,
        disposition_detail="type: is unknown",
    )
    whole = ledger_pb2.RecordItem()
    whole.CopyFrom(items[1])
    whole.delivery.CopyFrom(_delivery(b"mapped"))
    batches = [[item] for item in (*items, kept, whole)] + [[*items, kept]]
    return [request(items=batch) for batch in batches for request in (_Record, _RecordStream)]


_Record = ledger_pb2.RecordRequest
_RecordStream = ledger_pb2.RecordStreamRequest


def _reading() -> Sequence[Message]:
    selector, wanted = ledger_pb2.TransactionSelector, ledger_pb2.TransactionFilter
    selectors = (
        selector(),
        selector(source="autopay"),
        selector(account=ledger_pb2.AccountSelector(account="alice")),
        selector(currency="EUR"),
        selector(status=payment_pb2.PAYMENT_STATUS_SUCCESS),
        selector(risk_level=1),  # type: ignore[arg-type]  # its number
        selector(analysis_state=ledger_pb2.ANALYSIS_STATE_QUEUED),
    )
    filtered = wanted(source="autopay", currency="JPY", amount_min=1, amount_max=2**63 - 1)
    now_ms = clock_ms()
    return [
        ledger_pb2.GetTransactionRequest(source="autopay", tx_id="T-1", view=ledger_pb2.TRANSACTION_VIEW_FULL),
        ledger_pb2.GetTransactionRequest(source="autopay", tx_id="T-2", min_version=2, wait_ms=20),
        ledger_pb2.BatchGetTransactionsRequest(
            names=[ledger_pb2.TransactionName(source="autopay", tx_id=f"T-{number}") for number in (1, 2, 3)]
        ),
        *(ledger_pb2.ListTransactionsRequest(selector=each, filter=filtered, page_size=2) for each in selectors),
        *(ledger_pb2.ListTransactionsRequest(selector=each, page_size=1) for each in selectors),
        ledger_pb2.WatchTransactionsRequest(heartbeat_ms=1_000),
        ledger_pb2.WatchTransactionsRequest(filter=filtered),
        *(
            ledger_pb2.SummarizeTransactionsRequest(
                recorded_since_ms=now_ms - _DAY_MS,
                recorded_until_ms=now_ms + _DAY_MS,
                group_by=[group],  # type: ignore[list-item]  # its number
            )
            for group in range(1, 9)
        ),
        ledger_pb2.ListDeliveriesRequest(page_size=1),
        ledger_pb2.ListDeliveriesRequest(disposition=ledger_pb2.DISPOSITION_UNPROCESSABLE, with_body=True, page_size=2),
        ledger_pb2.ListDeliveriesRequest(id=_key(_BODY), with_body=True),
    ]


def _working() -> Sequence[Message]:
    resolutions = (ledger_pb2.RESOLUTION_REDRIVE, ledger_pb2.RESOLUTION_DISMISS, ledger_pb2.RESOLUTION_ACCEPT)
    return [
        ledger_pb2.LeaseAnalysesRequest(worker="w", tasks_max=2, lease_ms=5_000),
        ledger_pb2.CompleteAnalysisRequest(
            name=ledger_pb2.TransactionName(source="autopay", tx_id="T-1"), lease_token="0" * 32, failure="no"
        ),
        *(
            ledger_pb2.ResolveDeliveryRequest(id=_key(_BODY), resolution=resolution, author="ann", note="so")
            for resolution in resolutions
        ),
        ledger_pb2.LeaseDeliveriesRequest(worker="w", deliveries_max=2, lease_ms=5_000),
        ledger_pb2.EraseDeliveriesRequest(account="alice", author="ann", note="asked"),
        ledger_pb2.ResealDeliveriesRequest(deliveries_max=2),
    ]


def _outside() -> Sequence[Message]:
    item = insight_pb2.ScoreItem(
        source="autopay", event=captured("T-1"), received_at_ms=clock_ms(), traceparent=UNSAMPLED
    )
    return [
        *(
            ingest_pb2.IngestRequest(deliveries=[_delivery(body)])
            for body in (native_body(tx_id="N-1"), native_body(tx_id="N-2", amount="1", currency="JPY"))
        ),
        insight_pb2.ScoreRequest(items=[item]),
        insight_pb2.ExplainTransactionRequest(source="autopay", tx_id="T-1"),
        insight_pb2.RecordLabelRequest(
            source="autopay", tx_id="T-1", label=insight_pb2.LABEL_FRAUD, label_source="analyst", author="ann"
        ),
        insight_pb2.GetLabelsRequest(source="autopay", tx_id="T-1"),
        insight_pb2.GenerateReportRequest(since_ms=100, until_ms=101, format=insight_pb2.REPORT_FORMAT_JSON),
        insight_pb2.GenerateReportRequest(format=insight_pb2.REPORT_FORMAT_JSON, stored=True),
        insight_pb2.ExportModelRequest(),
    ]


def _delivery(body: bytes) -> delivery_pb2.Delivery:
    return delivery_pb2.Delivery(
        delivery_id=f"d-{hashlib.sha256(body).hexdigest()[:8]}",
        source="autopay",
        provider="autopay",
        body=body,
        headers=[delivery_pb2.Header(name="x-one", value=b"\xff\x00")],
        key_id="k1",
        received_at_ms=clock_ms(),
        traceparent=UNSAMPLED,
    )


def _key(body: bytes) -> str:
    return f"autopay:{hashlib.sha256(body).hexdigest()}"
