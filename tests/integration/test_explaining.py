"""From the ledger's queue through the real package to a Gemini on TLS and back: each payment ends, and says how."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from motor.motor_asyncio import AsyncIOMotorClient

from services.insight.adapters.gemini_model import GeminiModel
from services.insight.adapters.ledger_work import LedgerWork
from services.insight.adapters.mongo_spending import MongoSpending
from services.insight.advising import Adviser
from services.insight.explanation import ACTIONS
from services.insight.gemini_explainer import INSTRUCTION
from tests.analysis_calls import DONE, PARKED, full, let_pass
from tests.fakes import gemini
from tests.fakes.gemini import MODEL_VERSION, GeminiPeer, serving
from tests.gemini_rig import Rig
from tests.integration.conftest import GeminiTls
from tests.ledgers import RunningLedger, captured, running_ledger
from tests.patience import until

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def ledger(mongo_url: str) -> AsyncIterator[RunningLedger]:
    """A ledger that queues everything."""
    async with running_ledger(mongo_url, analysis_policy="all") as running:
        yield running


@pytest.fixture
def peer() -> GeminiPeer:
    """Google's side."""
    return GeminiPeer()


Make = Callable[..., Rig]


@pytest.fixture
async def rig(peer: GeminiPeer, gemini_tls: GeminiTls) -> AsyncIterator[Make]:
    """Makes explaining parts around a model that calls `peer`."""
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(serving(peer, gemini_tls.credentials))
        yield lambda **changes: Rig(model=GeminiModel(api_key="k", name="gemini-x", endpoint=endpoint), **changes)


async def ended(ledger: RunningLedger, *tx_ids: str) -> Sequence[ledger_pb2.Transaction]:
    """Each payment once it is analysed or parked; what waits between attempts is due at once."""
    transactions = ledger.database["transactions"]
    async with asyncio.timeout(60):
        while await transactions.count_documents({"analysis.state": {"$in": ["queued", "leased"]}}):
            await transactions.update_many(
                {"analysis.state": "queued"},
                [{"$set": {"analysis.due": {"$min": ["$analysis.due", "$$NOW"]}}}],
            )
            await asyncio.sleep(0.05)
    return [await full(ledger, tx_id) for tx_id in tx_ids]


async def test_every_payment_is_analysed(ledger: RunningLedger, rig: Make, peer: GeminiPeer) -> None:
    """A backlog shares requests; each analysis is stored with the model's version, the payment's version stays."""
    await ledger.record(*(captured(f"T-{number}", description="tea") for number in range(20)))
    async with rig().working(LedgerWork(ledger.stub), slots=2):
        payments = await ended(ledger, *(f"T-{number}" for number in range(20)))
    assert {(each.analysis_state, each.analysis.model_version, each.version) for each in payments} == {
        (DONE, MODEL_VERSION, 1)
    }
    assert len(peer.asked) <= 6
    assert not any(word in asked.text for asked in peer.asked for word in ("alice", "shop", "T-1"))
    subject, explanation = await Adviser(LedgerWork(ledger.stub)).advise("autopay", "T-3")
    assert (subject.tx_id, explanation.source, explanation.summary) == (
        "T-3",
        "gemini",
        "An ordinary payment, this payment.",
    )


FAILURES: dict[str, tuple[gemini.Act, str]] = {
    "slow": (gemini.slow(10), "the model did not answer in time"),
    "429": (gemini.failing(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_s=0.1), "the model answered 429"),
    "500": (gemini.failing(grpc.StatusCode.INTERNAL), "the model answered 500"),
    "503": (gemini.failing(grpc.StatusCode.UNAVAILABLE), "the model can't be reached"),
    "blocked": (gemini.blocked, "the model refused the prompt: SAFETY"),
    "truncated": (gemini.truncated, "the model stopped early: MAX_TOKENS"),
    "wrong schema": (gemini.wrong_schema, "a payment's answer has other fields than asked for"),
    "unknown ids": (gemini.unknown_ids, "the answer speaks of a payment that was not sent"),
    "unknown finish reason": (gemini.unknown_finish, "the model stopped early: finish reason 99"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_never_succeeds_is_parked_with_its_reason(
    ledger: RunningLedger, rig: Make, peer: GeminiPeer, name: str
) -> None:
    """Five attempts, or one where asking again can't help; the reason is kept, and on read the rules explain."""
    act, reason = FAILURES[name]
    peer.acts = [act]
    await ledger.record(captured("T-1"), captured("T-2"))
    async with rig(timeout_s=0.4, open_s=0.05).working(LedgerWork(ledger.stub), lease_s=10):
        payments = await ended(ledger, "T-1", "T-2")
    assert {(each.analysis_state, each.analysis_error) for each in payments} == {(PARKED, reason)}
    _, explanation = await Adviser(LedgerWork(ledger.stub)).advise("autopay", "T-1")
    assert (explanation.source, explanation.model_version) == ("rules", "")
    assert explanation.summary


@pytest.mark.parametrize("name", ["429", "500", "503", "truncated", "wrong schema", "unknown ids"])
async def test_what_fails_once_is_analysed_once(ledger: RunningLedger, rig: Make, peer: GeminiPeer, name: str) -> None:
    """After a failure that passes, every payment has its one analysis."""
    peer.acts = [FAILURES[name][0], gemini.success]
    await ledger.record(captured("T-1"), captured("T-2"))
    async with rig(timeout_s=3).working(LedgerWork(ledger.stub), lease_s=10):
        payments = await ended(ledger, "T-1", "T-2")
    assert [each.analysis_state for each in payments] == [DONE, DONE]


async def test_a_refused_key_costs_one_payment_per_probe(ledger: RunningLedger, rig: Make, peer: GeminiPeer) -> None:
    """The circuit opens at the first refusal; probes take one payment, which is parked in the end, saying why."""
    peer.acts = [gemini.failing(grpc.StatusCode.PERMISSION_DENIED)]
    await ledger.record(captured("T-1"))
    async with rig(open_s=0.02).working(LedgerWork(ledger.stub)):
        (payment,) = await ended(ledger, "T-1")
    assert (payment.analysis_state, payment.analysis_error) == (PARKED, "the model answered 403")
    assert len(peer.asked) == 5


async def test_a_server_that_comes_back_finds_everything(
    ledger: RunningLedger, gemini_tls: GeminiTls, peer: GeminiPeer
) -> None:
    """While it is gone payments wait, queued or between attempts; then each is analysed."""
    async with serving(GeminiPeer(), gemini_tls.credentials) as endpoint:
        port = int(endpoint.rpartition(":")[2])
    parts = Rig(
        model=GeminiModel(api_key="k", name="gemini-x", endpoint=endpoint), timeout_s=0.5, failures_max=1, open_s=0.3
    )
    await ledger.record(captured("T-1"), captured("T-2"))
    async with parts.working(LedgerWork(ledger.stub), lease_s=10):
        await until(lambda: parts.circuit.wait_s() > 0)
        async with serving(peer, gemini_tls.credentials, port):
            payments = await ended(ledger, "T-1", "T-2")
    assert [each.analysis_state for each in payments] == [DONE, DONE]


async def test_two_workers_store_one_analysis(ledger: RunningLedger, rig: Make, peer: GeminiPeer) -> None:
    """A worker that was too slow finds its lease lost: the other one's analysis stays."""
    await ledger.record(captured("T-1"))
    peer.acts = [gemini.slow(1.0), gemini.answering(lambda _: {"payments": [gemini.item("p1", summary="The second.")]})]
    late, quick = rig(), rig()
    async with late.working(LedgerWork(ledger.stub)):
        await until(lambda: bool(peer.asked))
        await let_pass(ledger, "T-1")
        async with quick.working(LedgerWork(ledger.stub)):
            await ended(ledger, "T-1")
    assert late.registry.get_sample_value("insight_analyses_total", {"outcome": "lost"}) == 1
    assert (await full(ledger, "T-1")).analysis.summary == "The second."


async def test_sixty_injections_over_the_wire(ledger: RunningLedger, rig: Make, peer: GeminiPeer) -> None:
    """With a model that obeys them all, every risk stays, no action is milder, and neighbours are analysed as ever."""
    file = Path(__file__).parents[1] / "data" / "injections.json"
    injections = json.loads(file.read_text(encoding="utf-8"))

    async def obey(asked: gemini.Asked, context: gemini.Context) -> Any:
        texts = [each.get("description", "") for each in asked.payments]
        return await (gemini.obedient if any(texts) else gemini.success)(asked, context)

    peer.acts = [obey]
    for number, injection in enumerate(injections):
        # The ledger refuses NUL, so it gets everything else.
        event = captured(f"I-{number}", description=injection["description"].replace("\0", ""))
        await ledger.record(event, risk=1 + number % 4)
        await ledger.record(captured(f"N-{number}"), risk=1)
    before = {each["_id"]: each["risk"] async for each in ledger.database["transactions"].find()}
    async with rig().working(LedgerWork(ledger.stub), slots=4, batch_max=20):
        payments = await ended(ledger, *(f"{kind}-{number}" for kind in "IN" for number in range(60)))
    assert {each["_id"]: each["risk"] async for each in ledger.database["transactions"].find()} == before
    floors = {1: "none", 2: "review", 3: "contact_payer", 4: "hold_for_review"}
    for payment in payments:
        analysis = payment.analysis
        assert payment.analysis_state == DONE
        assert ACTIONS.index(analysis.recommended_action) >= ACTIONS.index(floors[payment.risk.level])
        assert not any(part in analysis.summary for part in ("<", "evil.example", "://"))
        if payment.tx_id.startswith("N"):
            assert analysis.summary == "An ordinary payment, this payment."
    assert {asked.instruction for asked in peer.asked} == {INSTRUCTION}
    assert {asked.tools for asked in peer.asked} == {0}


async def test_the_days_spending_is_shared_and_capped(mongo_url: str) -> None:
    """Whoever reserves, and however many at once, the day's sum stays below the cap; settling corrects it."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(mongo_url)
    books = [MongoSpending(client.get_default_database()) for _ in range(3)]
    day = uuid.uuid4().hex
    assert await books[0].spent(day) == 0
    reserved = await asyncio.gather(*(books[number % 3].reserve(day, 10, most=95) for number in range(30)))
    assert sum(reserved) == 9
    assert await books[1].spent(day) == 90
    await books[2].settle(day, -40)
    assert await books[0].spent(day) == 50
    assert await books[0].reserve(day, 96, most=95) is False
    assert await books[0].reserve(day, 45, most=95) is True
    client.close()
