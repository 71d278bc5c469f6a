"""The edge's clients over real connections: nothing is lost or invented between its words and the contract's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from autopay.ingest.v1 import ingest_pb2
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import delivery_pb2, error_pb2, money_pb2, payment_pb2, risk_pb2

from edge.adapters.ingest_client import GrpcIngest
from edge.adapters.ledger_client import SERVICE as LEDGER
from edge.adapters.ledger_client import GrpcLedger
from edge.model import Answer, Delivery, Disposition, EventAnswer, Outcome
from edge.representations import Risk
from mesh.channel import open_channel
from mesh.errors import Fault
from mesh.server import Server
from tests.wire.edge_processes import SERVICE, IngestDouble, serving

DELIVERY = Delivery(
    delivery_id="d-1",
    source="autopay",
    provider="autopay",
    body=b"\x00\xff",
    headers=(("user-agent", b"\xff"), ("x-timestamp", b"1")),
    key_id="k1",
    received_at_ms=7,
    signed_at_ms=5,
    traceparent="00-1-2-01",
)
RISK = risk_pb2.Risk(
    score=0.123456,
    level=risk_pb2.RISK_LEVEL_HIGH,
    reasons=[risk_pb2.RiskReason(code="BURST", sentence="Many.", contribution=0.98765, evidence={"n": "9"})],
)
RISK_JSON: Risk = {
    "score": 0.1235,
    "level": "high",
    "reasons": [{"code": "BURST", "sentence": "Many.", "contribution": 0.9877, "evidence": {"n": "9"}}],
}


@pytest.fixture
def double() -> IngestDouble:
    """What stands behind the client."""
    return IngestDouble()


@pytest.fixture
async def ingest(double: IngestDouble) -> AsyncIterator[GrpcIngest]:
    """The client of a running ingest."""
    async with serving(double) as address:
        channel = open_channel(address, service=SERVICE)
        yield GrpcIngest(channel)
        await channel.close()


async def test_a_delivery_goes_over_whole(double: IngestDouble, ingest: GrpcIngest) -> None:
    """Every field of a delivery, bytes that are no text included, is in the message."""
    await ingest.ingest([DELIVERY], 5)
    assert double.deliveries == [
        delivery_pb2.Delivery(
            delivery_id="d-1",
            source="autopay",
            provider="autopay",
            body=b"\x00\xff",
            headers=[
                delivery_pb2.Header(name="user-agent", value=b"\xff"),
                delivery_pb2.Header(name="x-timestamp", value=b"1"),
            ],
            key_id="k1",
            received_at_ms=7,
            signed_at_ms=5,
            traceparent="00-1-2-01",
        )
    ]


async def test_answers_come_back_in_order_and_whole(double: IngestDouble, ingest: GrpcIngest) -> None:
    """Dispositions, outcomes, states, risks, reasons and wrong fields are the contract's, in the edge's words."""
    event = ingest_pb2.EventResult(
        tx_id="T-1",
        event_id="e-1",
        outcome=ledger_pb2.OUTCOME_CONFLICT,
        status=payment_pb2.PAYMENT_STATUS_PARTIALLY_REFUNDED,
        version=3,
        conflict_field="amount",
        risk=RISK,
    )
    wrong = ingest_pb2.FieldError(field="amount", description="is odd")
    double.results = [
        ingest_pb2.IngestResult(disposition=ledger_pb2.DISPOSITION_CONFLICT, durable=True, events=[event]),
        ingest_pb2.IngestResult(
            disposition=ledger_pb2.DISPOSITION_UNPROCESSABLE,
            reason=error_pb2.ERROR_REASON_INVALID_FIELD,
            field_errors=[wrong],
        ),
        ingest_pb2.IngestResult(reason=error_pb2.ERROR_REASON_NOT_DURABLE),
    ]
    conflict = EventAnswer(
        tx_id="T-1",
        event_id="e-1",
        outcome=Outcome.CONFLICT,
        transaction_status="partially_refunded",
        version=3,
        conflict_field="amount",
        risk=RISK_JSON,
    )
    assert list(await ingest.ingest([DELIVERY] * 3, 5)) == [
        Answer(disposition=Disposition.CONFLICT, durable=True, events=(conflict,), reason="", errors=()),
        Answer(
            disposition=Disposition.UNPROCESSABLE,
            durable=False,
            events=(),
            reason="INVALID_FIELD",
            errors=(("amount", "is odd"),),
        ),
        Answer(disposition=Disposition.UNKNOWN, durable=False, events=(), reason="NOT_DURABLE", errors=()),
    ]


async def test_words_of_tomorrow_are_unknown_and_not_errors(double: IngestDouble, ingest: GrpcIngest) -> None:
    """A disposition, outcome, status or reason that this edge does not know yet does not break the batch."""
    tomorrow: Any = 77
    event = ingest_pb2.EventResult(tx_id="T-1", outcome=tomorrow, status=tomorrow, version=1)
    double.results = [
        ingest_pb2.IngestResult(disposition=tomorrow, durable=True, events=[event]),
        ingest_pb2.IngestResult(reason=tomorrow),
    ]
    one, two = await ingest.ingest([DELIVERY] * 2, 5)
    assert (one.disposition, one.events[0].outcome) == (Disposition.UNKNOWN, Outcome.UNKNOWN)
    assert (one.events[0].transaction_status, one.events[0].risk) == ("unspecified", None)
    assert two.reason == "INTERNAL"


async def test_the_deadline_is_the_calls(double: IngestDouble, ingest: GrpcIngest) -> None:
    """A batch that takes longer than its budget is a fault that may be retried."""
    double.delay_s = 2
    with pytest.raises(Fault) as raised:
        await ingest.ingest([DELIVERY], 0.1)
    assert raised.value.retryable


def test_the_edges_numbers_are_the_contracts() -> None:
    """Dispositions and outcomes that the edge knows have the contract's numbers."""
    for ours, theirs, prefix in (
        (Disposition, ledger_pb2.Disposition, "DISPOSITION_"),
        (Outcome, ledger_pb2.Outcome, "OUTCOME_"),
    ):
        names = {number: name.removeprefix(prefix) for name, number in theirs.items()}
        assert {each.value: each.name for each in ours}.items() <= {**names, 0: "UNKNOWN"}.items()


class LedgerDouble(ledger_pb2_grpc.LedgerServiceServicer):
    """Answers BatchGetTransactions with what it was given."""

    def __init__(self) -> None:
        """Know nothing."""
        self.transactions: list[ledger_pb2.Transaction] = []
        self.asked: list[tuple[str, str]] = []

    async def BatchGetTransactions(
        self, request: ledger_pb2.BatchGetTransactionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ledger_pb2.BatchGetTransactionsResponse:
        """Answer one question."""
        self.asked += [(name.source, name.tx_id) for name in request.names]
        return ledger_pb2.BatchGetTransactionsResponse(transactions=self.transactions)


@pytest.fixture
async def ledger() -> AsyncIterator[tuple[GrpcLedger, LedgerDouble]]:
    """The client of a running ledger, and the ledger."""
    double, server = LedgerDouble(), Server(services=[LEDGER], reflect=False)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(double, server.handlers)
    port = await server.start("127.0.0.1:0")
    await server.set_healthy(healthy=True)
    channel = open_channel(f"127.0.0.1:{port}", service=LEDGER)
    yield GrpcLedger(channel), double
    await channel.close()
    await server.stop()


async def test_a_payment_is_ready_for_json(ledger: tuple[GrpcLedger, LedgerDouble]) -> None:
    """Amounts are exact decimal strings, times are ISO 8601 in UTC, enums are words, what is unknown is null."""
    client, double = ledger
    double.transactions = [
        ledger_pb2.Transaction(
            source="autopay",
            tx_id="T-1",
            version=2,
            status=payment_pb2.PAYMENT_STATUS_REFUNDED,
            amount=money_pb2.Money(minor_units=2**63 - 1, currency="KWD", exponent=3),
            sender_account="payer",
            totals=payment_pb2.Totals(captured=5, refunded=1_000),
            flags=[payment_pb2.PAYMENT_FLAG_OVER_REFUND],
            aliases=["ch-1"],
            analysis_state=ledger_pb2.ANALYSIS_STATE_QUEUED,
            risk=RISK,
            recorded_at_ms=1_700_000_000_123,
            updated_at_ms=0,
            event_count=2,
        )
    ]
    assert await client.find(["autopay", "partner"], "T-1", timeout_s=5) == [
        {
            "source": "autopay",
            "tx_id": "T-1",
            "version": 2,
            "status": "refunded",
            "amount": "9223372036854775.807",
            "currency": "KWD",
            "sender_account": "payer",
            "receiver_account": None,
            "totals": {"authorized": "0.000", "captured": "0.005", "refunded": "1.000", "disputed": "0.000"},
            "flags": ["over_refund"],
            "aliases": ["ch-1"],
            "analysis_state": "queued",
            "risk": RISK_JSON,
            "event_count": 2,
            "recorded_at": "2023-11-14T22:13:20.123Z",
            "updated_at": "1970-01-01T00:00:00.000Z",
        }
    ]
    assert double.asked == [("autopay", "T-1"), ("partner", "T-1")]


async def test_what_is_not_stated_is_null(ledger: tuple[GrpcLedger, LedgerDouble]) -> None:
    """A payment without amount, accounts and risk has null there, not zero or empty text."""
    client, double = ledger
    double.transactions = [ledger_pb2.Transaction(source="a", tx_id="T-1", version=1)]
    [payment] = await client.find(["a"], "T-1", timeout_s=5)
    for name in ("amount", "currency", "sender_account", "receiver_account", "risk"):
        assert payment[name] is None
    assert payment["status"] == "unspecified"


@pytest.mark.parametrize(
    ("minor_units", "exponent", "text"),
    [(0, 2, "0.00"), (5, 0, "5"), (-5, 2, "-0.05"), (-12_345, 4, "-1.2345"), (100, 2, "1.00")],
)
async def test_amounts_are_exact_decimals(
    ledger: tuple[GrpcLedger, LedgerDouble], minor_units: int, exponent: int, text: str
) -> None:
    """Minor units and exponent become the decimal they mean, without a float in between."""
    client, double = ledger
    money = money_pb2.Money(minor_units=minor_units, currency="EUR", exponent=exponent)
    double.transactions = [ledger_pb2.Transaction(source="a", tx_id="T-1", amount=money)]
    [payment] = await client.find(["a"], "T-1", timeout_s=5)
    assert payment["amount"] == text
