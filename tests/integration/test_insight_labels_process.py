"""Labels on the whole insight process and a real MongoDB: killed again and again, it ends as a clean run does."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import money_pb2, payment_pb2

from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.channel import call, open_channel
from mesh.errors import Fault, Kind
from tests.fakes.insight_ledger import LedgerPeer, created, disputed, serve_ledger
from tests.insight_processes import Process, Start, documents, processes, until_position
from tests.servers import fresh_database

INSIGHT = insight_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
# Recent: what is older than the vectors' time would be removed while the test looks.
BASE_MS = int(time.time() * 1000) - 86_400_000
FIRST, ALL, LABELS, DISPUTES = 240, 400, 40, 6


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts processes and ends those that are left."""
    async with processes() as starting:
        yield starting


def opened(number: int) -> ledger_pb2.TransactionChange:
    """The change that opens a payment: now and then far too large, of one of five senders."""
    amount = 1_000 + number * 37 % 900 * (60 if number % 9 == 0 else 1)
    change = created(number, sender=f"S{number * 7 % 5}", minor_units=amount)
    change.recorded_at_ms = BASE_MS + number * 30_000
    return change


FEED = [opened(number) for number in range(ALL)]
FEED += [disputed(number * 11, payment_pb2.DISPUTE_REASON_FRAUD) for number in range(DISPUTES)]


async def state_labels(process: Process, numbers: Sequence[int]) -> None:
    """Label payments one after the other, every third of them as legitimate, waiting for those that are too new."""
    address = (await process.logged("listening"))["address"]
    channel = open_channel(address, service=INSIGHT)
    record = insight_pb2_grpc.InsightServiceStub(channel).RecordLabel
    for number in numbers:
        label = insight_pb2.LABEL_FRAUD if number % 3 else insight_pb2.LABEL_LEGITIMATE
        request = insight_pb2.RecordLabelRequest(
            source="autopay", tx_id=f"T-{number}", label=label, label_source="analyst", author="ann"
        )
        async with asyncio.timeout(15):
            while True:
                try:
                    assert (await call(record, request, timeout_s=5)).changed
                    break
                except Fault as fault:
                    if fault.kind is not Kind.NOT_FOUND:
                        raise
                    await asyncio.sleep(0.1)
    await channel.close()


async def until_judged(url: str, *, ordinal: int) -> None:
    """Wait until so many verdicts are saved."""
    async with asyncio.timeout(30):
        while True:
            _, state = await documents(url)
            if state.get("judgement", {}).get("ordinal", 0) >= ordinal:
                return
            await asyncio.sleep(0.05)


async def run(start: Start, url: str, *, killing: bool) -> tuple[dict[str, tuple[bytes, bytes]], dict[str, Any]]:
    """Learn, label, learn more, hear disputes; with or without a kill in the middle of each. Return what is stored."""
    peer = LedgerPeer()
    server, ledger = await serve_ledger(peer)
    environment = {"MONGO_URL": url, "INSIGHT_LEDGER_TARGET": ledger}
    process: Process = await start(**environment)
    await process.logged("learning")

    async def kill() -> None:
        nonlocal process
        if killing:
            assert await process.end(signal.SIGKILL) == -signal.SIGKILL
            process = await start(**environment)
            await process.logged("learning")

    peer.changes = FEED[:100]
    await until_position(url, at_least=60)
    await kill()
    peer.changes = FEED[:FIRST]
    await until_position(url, at_least=FIRST)
    await state_labels(process, range(0, 2 * LABELS, 2))
    await kill()
    await until_judged(url, ordinal=LABELS)
    peer.changes = FEED[: FIRST + 100]
    await until_position(url, at_least=FIRST + 50)
    await kill()
    peer.changes = FEED
    # Half of the disputed payments have a label already, which counts before a dispute's.
    await until_judged(url, ordinal=LABELS + DISPUTES // 2)
    await until_position(url, at_least=len(FEED))
    assert await process.end(signal.SIGTERM) == 0
    await server.stop()
    return await documents(url)


@pytest.mark.timeout(120)
async def test_labels_survive_every_end_of_the_learner(start: Start, mongo_server: EmbeddedMongo) -> None:
    """Killed in the middle of learning, of judging and of learning again: memories and weights equal a clean run's."""
    with fresh_database(mongo_server) as clean_url, fresh_database(mongo_server) as killed_url:
        (clean, clean_state), (killed, killed_state) = await asyncio.gather(
            run(start, clean_url, killing=False), run(start, killed_url, killing=True)
        )
    assert killed == clean
    assert killed_state["judgement"] == clean_state["judgement"]
    assert killed_state["judgement"]["taught"] > 20
    assert killed_state["token"] == clean_state["token"] == str(len(FEED))


async def test_other_replicas_score_by_what_labels_taught(start: Start, mongo_url: str) -> None:
    """A replica that doesn't learn tells another version of the scorecard with its scores, soon after labels."""
    peer = LedgerPeer()
    server, ledger = await serve_ledger(peer)
    environment = {"MONGO_URL": mongo_url, "INSIGHT_LEDGER_TARGET": ledger}
    learner: Process = await start(**environment)
    await learner.logged("learning")
    other: Process = await start(**environment)
    peer.changes = FEED[:120]
    await state_labels(learner, [1, 2, 4, 5])
    scorecard = await other.logged("scorecard")
    assert scorecard["version"].startswith("2.")
    address = (await other.logged("listening"))["address"]
    channel = open_channel(address, service=INSIGHT)
    event = payment_pb2.PaymentEvent(
        tx_id="T-1", sender_account="S1", amount=money_pb2.Money(minor_units=90_000, currency="USD")
    )
    items = [insight_pb2.ScoreItem(source="autopay", event=event, received_at_ms=BASE_MS + 4_000_000)]
    score = insight_pb2_grpc.InsightServiceStub(channel).Score
    response = await call(score, insight_pb2.ScoreRequest(items=items), timeout_s=2)
    assert response.risks[0].model_version.startswith("2.")
    assert response.risks[0].model_version != "2.0"
    await channel.close()
    for process in (other, learner):
        assert await process.end(signal.SIGTERM) == 0
    await server.stop()
