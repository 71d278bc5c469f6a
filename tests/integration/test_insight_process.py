"""The whole insight process: healthy without anybody, learning with everybody, and nothing twice however it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.type.v1 import money_pb2, payment_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.channel import call, open_channel
from tests.fakes.insight_ledger import START_MS, LedgerPeer, created, serve_ledger
from tests.insight_processes import Start, documents, processes, until_position
from tests.insight_teaching import a_payment, taught

INSIGHT = insight_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts processes and ends those that are left."""
    async with processes() as starting:
        yield starting


@pytest.fixture
def peer() -> LedgerPeer:
    """The ledger's side."""
    return LedgerPeer()


@pytest.fixture
async def ledger(peer: LedgerPeer) -> AsyncIterator[str]:
    """The ledger's address."""
    server, address = await serve_ledger(peer)
    yield address
    await server.stop()


def by_hand(minor_units: list[int]) -> dict[str, tuple[bytes, bytes]]:
    """The memories after each payment was learnt once."""
    return taught(a_payment(amount, at_ms=START_MS + number * 60_000) for number, amount in enumerate(minor_units))


async def test_it_is_healthy_and_scores_without_anybody(start: Start) -> None:
    """Without MongoDB and without a ledger it starts, is healthy, scores, and ends cleanly."""
    process = await start(MONGO_URL=f"mongodb://{NOWHERE}/autopay", INSIGHT_LEDGER_TARGET=NOWHERE)
    address = (await process.logged("listening"))["address"]
    channel = open_channel(address, service=INSIGHT)
    check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # set in its constructor
    health = await call(check, health_pb2.HealthCheckRequest(service=INSIGHT), timeout_s=5)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    event = payment_pb2.PaymentEvent(
        tx_id="T-1", sender_account="A", amount=money_pb2.Money(minor_units=500, currency="EUR")
    )
    items = [insight_pb2.ScoreItem(source="autopay", event=event, received_at_ms=START_MS)]
    response = await call(
        insight_pb2_grpc.InsightServiceStub(channel).Score, insight_pb2.ScoreRequest(items=items), timeout_s=2
    )
    assert response.risks[0].score < 0.3
    await channel.close()
    assert await process.end(signal.SIGTERM) == 0


async def test_what_was_learnt_survives_every_end(start: Start, peer: LedgerPeer, ledger: str, mongo_url: str) -> None:
    """Killed in the middle, started again, told to stop: the sums are those of each payment learnt once."""
    amounts = [1_000 + number * 7 for number in range(900)]
    changes = [created(number, minor_units=amount) for number, amount in enumerate(amounts)]
    environment = {"MONGO_URL": mongo_url, "INSIGHT_LEDGER_TARGET": ledger}
    for told in range(50, 800, 300):
        process = await start(**environment)
        await process.logged("learning")
        peer.changes = changes[:told]
        await until_position(mongo_url, at_least=told - 100)
        assert await process.end(signal.SIGKILL) == -signal.SIGKILL
    process = await start(**environment)
    await process.logged("learning")
    peer.changes = changes
    await until_position(mongo_url, at_least=900)
    assert await process.end(signal.SIGTERM) == 0
    profiles, state = await documents(mongo_url)
    assert profiles == by_hand(amounts)
    assert state["owner"] == ""


async def test_stopping_saves_what_was_not_saved_yet(
    start: Start, peer: LedgerPeer, ledger: str, mongo_url: str
) -> None:
    """On SIGTERM what was learnt since the last save is saved with its position, and the lease is given back."""
    process = await start(MONGO_URL=mongo_url, INSIGHT_LEDGER_TARGET=ledger, INSIGHT_FLUSH_S="60")
    await process.logged("learning")
    peer.changes = [created(number, minor_units=500) for number in range(40)]
    await asyncio.sleep(1.0)
    assert (await documents(mongo_url))[0] == {}
    assert await process.end(signal.SIGTERM) == 0
    profiles, state = await documents(mongo_url)
    assert profiles == by_hand([500] * 40)
    assert (state["owner"], state["token"]) == ("", "40")
