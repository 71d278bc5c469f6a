"""The ports of labels over every implementation: in memory, and on a real MongoDB."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import bson
import pytest
from msgspec.structs import replace

from mesh.errors import Fault
from services.insight.adapters.mongo import connect, database_of
from services.insight.adapters.mongo_cases import MongoCases
from services.insight.adapters.mongo_labels import MongoLabels
from services.insight.adapters.mongo_lease import MongoLease
from services.insight.adapters.mongo_scores import MongoScores
from services.insight.features import FEATURES
from services.insight.label_ports import Cases, Labels, Vectors
from services.insight.labels import Dispute, Label
from services.insight.model import Payment, Position
from services.insight.ports import Lease, StoreDown
from services.insight.scorecard import Site
from services.insight.vectors import Seen, pack
from services.insight.verdicts import Case, Judgement, Ruling, Verdict
from tests.fakes.insight_memory import Disk, MemoryLease
from tests.fakes.insight_scores import MemoryScores
from tests.insight_teaching import a_payment

FRAUD, LEGITIMATE, UNSURE = Label.FRAUD, Label.LEGITIMATE, Label.UNSURE
NOW_MS = int(time.time() * 1000)


class Ports:
    """One implementation's ports; leases and those who decide under them by their owner."""

    def __init__(
        self, vectors: Vectors, labels: Labels, cases: Callable[[str], Cases], lease: Callable[[str], Lease]
    ) -> None:
        """Hold them."""
        self.vectors = vectors
        self.labels = labels
        self.cases = cases
        self.lease = lease


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Any]:
    """A fresh database."""
    client = connect(mongo_url, pool_min=0, pool_max=4)
    yield database_of(client, mongo_url)
    client.close()


@pytest.fixture(params=["memory", "mongo"])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    """Each implementation in turn."""
    if request.param == "memory":
        disk = Disk()
        scores = MemoryScores(disk)
        yield Ports(scores, scores, lambda owner: MemoryScores(disk, owner), lambda owner: MemoryLease(disk, owner))
        return
    url = request.getfixturevalue("mongo_url")
    client = connect(url, pool_min=0, pool_max=4)
    base = database_of(client, url)
    stored = MongoScores(base, days=120)
    yield Ports(
        stored,
        MongoLabels(base, stored, days=120),
        lambda owner: MongoCases(base, owner=owner),
        lambda owner: MongoLease(base, owner=owner, lease_s=15),
    )
    client.close()


def seen(number: int, *, value: float = 1.0, sender: str = "A", receiver: str = "R") -> Seen:
    """A payment with a vector of one value."""
    payment = a_payment(sender=sender, receiver=receiver, at_ms=NOW_MS + number)
    return number, payment._replace(tx_id=f"T-{number}"), pack([value] + [0.0] * (len(FEATURES) - 1))


async def label(ports: Ports, number: int, what: Label, by: str = "analyst") -> bool | None:
    """State a label."""
    return await ports.labels.state("autopay", f"T-{number}", by, label=what, author="ann")


def ruled(case: Case, ordinal: int, *, fraud: bool = True) -> Case:
    """The case with a verdict."""
    before = case.verdict.after if case.verdict is not None else None
    after = Ruling(fraud=fraud, site=Site(precision=0.1 * ordinal, pull=-1 / 3))
    return replace(case, verdict=Verdict(ordinal=ordinal, before=before, after=after))


async def test_a_vector_is_never_replaced(ports: Ports) -> None:
    """What is kept first stays, whatever is read again, and what comes behind it in the same call is kept."""
    assert await ports.vectors.kept() == 0
    await ports.vectors.insert([seen(1, value=2.0), seen(2, sender="", receiver="")])
    await ports.vectors.insert([seen(1, value=3.0), seen(2), seen(3)])
    await ports.vectors.insert([seen(1, value=4.0)])
    assert await ports.vectors.kept() == 3
    for number in (1, 2, 3):
        assert await label(ports, number, FRAUD)
    first, second, third = sorted(await ports.cases("me").due(covered=0, most=10), key=lambda case: case.tx_id)
    assert first.vector == seen(1, value=2.0)[2]
    assert (first.source, first.tx_id, first.sender, first.receiver) == ("autopay", "T-1", "A", "R")
    assert (second.sender, second.receiver) == ("", "")
    assert third.at_ms == NOW_MS + 3


async def test_a_label_is_set_once_and_may_change(ports: Ports) -> None:
    """The same label of the same source changes nothing; another one, or another source's, does."""
    await ports.vectors.insert([seen(1)])
    assert await label(ports, 1, FRAUD) is True
    assert await label(ports, 1, FRAUD) is False
    assert await label(ports, 1, LEGITIMATE) is True
    assert await label(ports, 1, FRAUD, by="bank") is True
    found = await ports.labels.labels("autopay", "T-1")
    assert found is not None
    assert {name: stated.label for name, stated in found.items()} == {"analyst": LEGITIMATE, "bank": FRAUD}
    assert found["bank"].author == "ann"
    assert found["bank"].at_ms > 0


async def test_a_payment_that_was_never_learnt_has_no_labels(ports: Ports) -> None:
    """Nothing is stored for it, by whoever it is labelled."""
    await ports.vectors.insert([seen(1)])
    assert await label(ports, 2, FRAUD) is None
    assert await ports.labels.labels("autopay", "T-2") is None
    assert not await ports.labels.dispute(Dispute(source="autopay", tx_id="T-2", version=1, label=FRAUD))
    assert await ports.cases("me").due(covered=0, most=10) == []


async def test_disputes_go_forwards(ports: Ports) -> None:
    """An earlier change of a payment, read again, never undoes a later one; nothing is taken back where nothing is."""

    async def dispute(version: int, what: Label) -> bool:
        return await ports.labels.dispute(Dispute(source="autopay", tx_id="T-1", version=version, label=what))

    await ports.vectors.insert([seen(1)])
    assert not await dispute(2, UNSURE)
    assert await dispute(3, FRAUD)
    assert not await dispute(3, FRAUD)
    assert await dispute(4, UNSURE)
    assert not await dispute(3, FRAUD)
    found = await ports.labels.labels("autopay", "T-1")
    assert found is not None
    assert found["dispute:autopay"].label is UNSURE
    assert found["dispute:autopay"].author == ""


async def test_what_is_due_comes_in_the_order_of_labels(ports: Ports) -> None:
    """The payment labelled first is first, and no more come than asked for."""
    await ports.vectors.insert([seen(number) for number in range(1, 10)])
    for number in (4, 1, 7):
        await label(ports, number, FRAUD)
        await asyncio.sleep(0.002)
    due = await ports.cases("me").due(covered=0, most=2)
    assert [case.tx_id for case in due] == ["T-4", "T-1"]


async def test_verdicts_are_written_under_the_lease_in_their_order(ports: Ports) -> None:
    """The holder writes them once; they come back as they were, and the next one waits until the last is covered."""
    await ports.lease("me").acquire()
    cases = ports.cases("me")
    assert await cases.decided(0) == (0, [])
    await ports.vectors.insert([seen(number) for number in range(1, 5)])
    for number in (1, 2, 3):
        await label(ports, number, FRAUD)
        await asyncio.sleep(0.002)
    first, second, third = await cases.due(covered=0, most=10)
    decided = [ruled(first, 1), second, ruled(third, 2, fraud=False)]
    assert await cases.decide(decided, last=0)
    last, found = await cases.decided(0)
    assert last == 2
    assert [case.verdict for case in found] == [decided[0].verdict, decided[2].verdict]
    assert (await cases.decided(1))[1] == found[1:]
    assert await cases.due(covered=0, most=10) == []
    await label(ports, 1, LEGITIMATE)
    assert await cases.due(covered=0, most=10) == []
    (again,) = await cases.due(covered=1, most=10)
    assert again.verdict == decided[0].verdict
    # A verdict that takes the payment out again.
    assert again.verdict is not None
    taken = replace(again, verdict=Verdict(ordinal=3, before=again.verdict.after, after=None))
    assert await cases.decide([taken], last=2)
    assert (await cases.decided(2))[1][0].verdict == taken.verdict


async def test_all_or_nothing_is_decided(ports: Ports) -> None:
    """Without the lease, behind another's ordinal, or where a label changed meanwhile, no verdict is written."""
    lease, cases = ports.lease("me"), ports.cases("me")
    await lease.acquire()
    await ports.vectors.insert([seen(number) for number in range(1, 4)])
    await label(ports, 1, FRAUD)
    await label(ports, 2, FRAUD)
    due = await cases.due(covered=0, most=10)
    decided = [ruled(case, ordinal) for ordinal, case in enumerate(due, start=1)]
    assert not await ports.cases("another").decide(decided, last=0)
    assert not await cases.decide(decided, last=7)
    await asyncio.sleep(0.002)
    await label(ports, 2, LEGITIMATE)
    assert not await cases.decide(decided, last=0)
    assert await cases.decided(0) == (0, [])
    assert len(await cases.due(covered=0, most=10)) == 2
    await lease.release()
    await ports.lease("another").acquire()
    assert not await cases.decide([ruled(case, 1) for case in await cases.due(covered=0, most=1)], last=0)


async def test_a_judgement_comes_back_to_the_last_bit(ports: Ports) -> None:
    """What verdicts have taught is stored with the position and read by whoever takes the lease, or only scores."""
    judgement = Judgement(
        ordinal=2**40,
        taught=2**33,
        unsolved=7,
        features="2",
        evidence=bytes(range(256)),
        weights=b"w" * 192,
        steps_from=b"s" * 192,
    )
    lease = ports.lease("me")
    assert (await lease.judgement()).ordinal == 0
    await lease.acquire()
    assert await lease.advance(Position(token="t", sequence=5, judgement=judgement))
    read = await ports.lease("another").judgement()
    assert (read.ordinal, read.features, read.weights) == (2**40, "2", b"w" * 192)
    await lease.release()
    assert await ports.lease("another").acquire() == Position(token="t", sequence=5, judgement=judgement)


async def test_a_payment_has_labels_of_sixteen_sources(database: Any) -> None:
    """One more is refused by its limit, while the sixteen may still change."""
    scores = MongoScores(database, days=120)
    labels = MongoLabels(database, scores, days=120)
    await scores.insert([seen(1)])
    for number in range(16):
        assert await labels.state("autopay", "T-1", str(number), label=FRAUD, author="")
    with pytest.raises(Fault) as refused:
        await labels.state("autopay", "T-1", "one-more", label=FRAUD, author="")
    assert (refused.value.reason, refused.value.metadata) == ("TOO_LARGE", {"limit": "16"})
    assert await labels.state("autopay", "T-1", "7", label=UNSURE, author="")
    assert not await labels.state("autopay", "T-1", "7", label=UNSURE, author="")


async def test_the_first_labels_of_a_payment_may_come_together(database: Any) -> None:
    """Each of several callers at once sets its own label, and what was known of the payment comes along once."""
    scores = MongoScores(database, days=120)
    await scores.insert([seen(number) for number in range(1, 6)])
    labels = [MongoLabels(database, scores, days=120) for _ in range(6)]
    stated = (each.state("autopay", "T-3", f"s{place}", label=FRAUD, author="") for place, each in enumerate(labels))
    assert await asyncio.gather(*stated) == [True] * 6
    (case,) = await MongoCases(database, owner="me").due(covered=0, most=9)
    assert len(case.labels) == 6
    assert case.vector == seen(3)[2]


async def test_payments_take_few_bytes_and_expire(database: Any) -> None:
    """A usual payment adds little to its document; MongoDB removes both in their time, which may be changed."""
    scores = MongoScores(database, days=120)
    labels = MongoLabels(database, scores, days=120)
    usual = Payment("autopay", "order-100123", "customer-1", "shop-17", 4_250, "EUR", NOW_MS)
    vector = pack([0.5] * 6 + [0.0] * (len(FEATURES) - 6))
    await scores.insert([(number, usual, vector) for number in range(1, 513)])
    stored = await database["scores"].find_one()
    assert len(bson.encode(stored)) / 512 <= 180
    await labels.state("autopay", "order-100123", "analyst", label=FRAUD, author="")
    for collection in ("scores", "labels"):
        expiry = (await database[collection].index_information())["expiry"]
        assert (expiry["expireAfterSeconds"], expiry["key"]) == (120 * 86_400, [("at", 1)])
    await MongoScores(database, days=30).insert([seen(600)])
    expiry = (await database["scores"].index_information())["expiry"]
    assert expiry["expireAfterSeconds"] == 30 * 86_400


async def test_what_is_looked_for_is_found_by_an_index(database: Any) -> None:
    """Neither finding a payment nor looking for labels that wait reads more documents than it finds."""
    scores = MongoScores(database, days=120)
    labels = MongoLabels(database, scores, days=120)
    for start in range(1, 200, 20):
        await scores.insert([seen(number) for number in range(start, start + 20)])
    for number in range(1, 50):
        await labels.state("autopay", f"T-{number}", "analyst", label=FRAUD, author="")
    for collection, query, most in (
        ("scores", {"payments": "autopay:T-77"}, 1),
        ("labels", {"verdict.ordinal": {"$gt": 0}}, 0),
        ("labels", {"due": {"$lt": 0}}, 0),
    ):
        plan = await database.command({"explain": {"find": collection, "filter": query}, "verbosity": "executionStats"})
        assert plan["executionStats"]["totalDocsExamined"] <= most, collection
    found = await scores.find("autopay:T-77")
    assert found is not None
    assert (found.at_ms, found.vector) == (NOW_MS + 77, seen(77)[2])
    assert await scores.vector("autopay", "T-77") == [1.0] + [0.0] * (len(FEATURES) - 1)
    assert await scores.vector("autopay", "T-777") is None


async def test_a_store_that_is_not_there_says_so() -> None:
    """Every operation tells that the store is down."""
    url = "mongodb://127.0.0.1:1/autopay"
    client = connect(url, pool_min=0, pool_max=2)
    base = database_of(client, url)
    scores, cases = MongoScores(base, days=120), MongoCases(base, owner="me")
    labels = MongoLabels(base, scores, days=120)
    dispute = Dispute(source="a", tx_id="b", version=1, label=FRAUD)
    outcomes = await asyncio.gather(
        scores.kept(),
        scores.insert([seen(1)]),
        scores.vector("a", "b"),
        labels.state("a", "b", "c", label=FRAUD, author=""),
        labels.labels("a", "b"),
        labels.dispute(dispute),
        cases.due(covered=0, most=1),
        cases.decided(0),
        cases.decide([], last=0),
        MongoLease(base, owner="me", lease_s=15).judgement(),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [StoreDown] * 10
    client.close()
