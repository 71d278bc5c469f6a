"""From quarantine to a recorded payment: a mapping is fixed, a person asks for a redrive, ingest does it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2
from bson import DatetimeMS
from prometheus_client import CollectorRegistry

from mesh import logs, tracing
from mesh.channel import call, open_channel
from providers.contract import Event, Kind, Unprocessable, Wrong
from services.ingest.adapters.delivery_message import to_delivery
from services.ingest.adapters.event_message import encode
from services.ingest.adapters.ledger_client import LedgerClient
from services.ingest.adapters.ledger_inbox import LedgerInbox
from services.ingest.intake import Budgets, Intake
from services.ingest.mappings import Mappings
from services.ingest.metrics import IngestMetrics
from services.ingest.model import Delivery, Disposition
from services.ingest.redriving import Redriver
from services.ledger.servicer import SERVICE
from tests.fakes.scorer import FakeScorer
from tests.ledgers import TIMEOUT_S, clock_ms, running_ledger
from tests.unit.ingest.bodies import ThirdParty

pytestmark = pytest.mark.timeout(60)


class Learning(ThirdParty):
    """Understands nothing until its mapping is fixed."""

    fixed = False

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the events, once it can."""
        if not self.fixed:
            raise Unprocessable([Wrong("type", "is unknown")])
        return super().map(body, headers)


class Charging(ThirdParty):
    """Names the payment where it is captured; of a refund the partner only says which charge it gives back."""

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the one event of a body."""
        money: dict[str, Any] = {"amount_minor": int(body.split()[1]), "currency": "USD", "exponent": 2}
        if body.startswith(b"refund"):
            return [Event(tx_id="", kind=Kind.REFUNDED, event_id="E-2", object_id="R-1", aliases=("CH-1",), **money)]
        return [Event(tx_id="P-1", kind=Kind.CAPTURED, event_id="E-1", aliases=("CH-1",), **money)]


def intake_of(provider: ThirdParty, channel: grpc.aio.Channel) -> Intake:
    """Ingest's intake before a ledger, without scores."""
    scorer = FakeScorer()
    scorer.error = TimeoutError()
    return Intake(
        Mappings({"partner": provider}),
        encode,
        scorer,
        LedgerClient(channel),
        budgets=Budgets(score_s=0.01, record_s=TIMEOUT_S),
        tracing=tracing.configure("ingest"),
        metrics=IngestMetrics(CollectorRegistry()),
        log=logs.configure("ingest", "error"),
    )


def arrived(body: bytes) -> Delivery:
    """What the edge hands on of these bytes."""
    return to_delivery(
        delivery_pb2.Delivery(
            delivery_id=f"d-{body.hex()}", source="partner", provider="partner", body=body, received_at_ms=clock_ms()
        )
    )


async def test_a_refund_before_its_payment_waits_for_it(mongo_url: str) -> None:
    """Acknowledged at once, run again in vain, it is recorded once the payment with its alias is there."""
    async with running_ledger(mongo_url) as ledger, open_channel(ledger.target, service=SERVICE) as channel:
        intake = intake_of(Charging(), channel)
        redriver = Redriver(LedgerInbox(channel), intake, log=logs.configure("ingest", "error"))
        [answer] = await intake.ingest([arrived(b"refund 300")], timeout_s=TIMEOUT_S)
        assert (answer.disposition, answer.durable, answer.reason) == (Disposition.WAITING, True, "")
        assert await redriver.once(wait_s=0) == 1
        deliveries = ledger.database["deliveries"]
        waiting = await deliveries.find_one({})
        assert (waiting["disposition"], waiting["lease_count"], waiting["count"]) == ("waiting", 1, 1)
        assert 20_000 < int(waiting["due"]) - clock_ms() <= 30_000
        assert await redriver.once(wait_s=0) == 0
        await intake.ingest([arrived(b"capture 1000")], timeout_s=TIMEOUT_S)
        await deliveries.update_one({"_id": waiting["_id"]}, {"$set": {"due": DatetimeMS(clock_ms() - 1)}})
        assert await redriver.once(wait_s=0) == 1
        resolved = await deliveries.find_one({"_id": waiting["_id"]})
        payment = await ledger.database["transactions"].find_one({})
    assert (resolved["disposition"], resolved["transactions"]) == ("recorded", ["partner:P-1"])
    assert (payment["_id"], payment["status"], payment["aliases"]) == ("partner:P-1", "partially_refunded", ["CH-1"])
    assert payment["events"][1]["delivery"] == waiting["_id"]


async def test_a_redriven_delivery_becomes_the_payment_it_meant(mongo_url: str) -> None:
    """An unprocessable delivery is kept; once the mapping is fixed and a person asks for it, it is recorded."""
    async with running_ledger(mongo_url) as ledger, open_channel(ledger.target, service=SERVICE) as channel:
        provider = Learning()
        intake, log = intake_of(provider, channel), logs.configure("ingest", "error")
        [answer] = await intake.ingest([arrived(b"2")], timeout_s=TIMEOUT_S)
        assert (answer.disposition, answer.durable) == (Disposition.UNPROCESSABLE, True)
        listed: ledger_pb2.ListDeliveriesResponse = await call(
            ledger.stub.ListDeliveries, ledger_pb2.ListDeliveriesRequest(), timeout_s=TIMEOUT_S
        )
        [kept] = listed.deliveries
        assert kept.disposition_detail == "type: is unknown"
        redriving = asyncio.create_task(Redriver(LedgerInbox(channel), intake, log=log).run())
        provider.fixed = True
        resolve = ledger_pb2.ResolveDeliveryRequest(
            id=kept.id, resolution=ledger_pb2.RESOLUTION_REDRIVE, author="ann", note="mapped since today"
        )
        await call(ledger.stub.ResolveDelivery, resolve, timeout_s=TIMEOUT_S)
        one = ledger_pb2.ListDeliveriesRequest(id=kept.id)
        for _ in range(200):
            listed = await call(ledger.stub.ListDeliveries, one, timeout_s=TIMEOUT_S)
            if listed.deliveries[0].disposition == ledger_pb2.DISPOSITION_RECORDED:
                break
            await asyncio.sleep(0.05)
        redriving.cancel()
        with suppress(asyncio.CancelledError):
            await redriving
        payment = await ledger.database["transactions"].find_one({"_id": "partner:P-1"})
    assert listed.deliveries[0].disposition == ledger_pb2.DISPOSITION_RECORDED
    assert [name.tx_id for name in listed.deliveries[0].transactions] == ["P-1"]
    assert [event["event_id"] for event in payment["events"]] == ["E-0", "E-1"]
    assert {event["delivery"] for event in payment["events"]} == {kept.id}
