"""What recording may rely on of a store of payments, whichever it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import Int64
from msgspec.structs import replace

from services.ledger.folding import apply
from services.ledger.model import Event, EventKind, Payment, Unstorable
from services.ledger.ports import Change, Renaming
from tests.contract.conftest import Stores
from tests.fakes.ledger_items import NOW_MS, event, refund


def after(payment: Payment | None, *events: Event, source: str = "autopay", now_ms: int = NOW_MS) -> Payment:
    """Return a payment after more events."""
    for each in events:
        payment, _, _ = apply(
            payment, each, source=source, delivery="a:b", delivery_id=f"d-{each.event_id}", now_ms=now_ms
        )
    assert payment is not None
    return payment


async def insert(stores: Stores, *payments: Payment) -> tuple[set[int], set[int]]:
    """Insert payments; return the positions that existed, and those refused for good."""
    inserted = await stores.payments.insert_new([stores.payments.encode(payment) for payment in payments])
    return set(inserted.existing), set(inserted.unstorable)


FULL = after(
    None,
    event(
        kind=EventKind.AUTHORIZED,
        amount=2**62,
        currency="KWD",
        exponent=3,
        object_id="ch_1",
        description="Größe 42 – zweite Wahl",
        aliases=("ch_1", "pi_1"),
        risk={
            "score": 0.25,
            "level": "medium",
            "reasons": [{"code": "NEW", "sentence": "New.", "contribution": 0.2, "evidence": {"n": "0", "a.b": "$x"}}],
            "model_version": "1",
        },
    ),
    event("T-1", "e-2", amount=2**40, amount_fixed=False, cumulative=True, currency="KWD", exponent=3, time_ms=5),
    event("T-1", "e-3", kind=EventKind.FAILED, amount=None, currency="", exponent=0, amount_fixed=False, time_ms=0,
          time_signed=False, sender="", receiver=""),
)  # fmt: skip
BARE = after(
    None,
    event("T-2", "e-1", kind=EventKind.PENDING, amount=None, currency="", exponent=0, amount_fixed=False, sender="",
          receiver="", time_ms=0, time_signed=False),
)  # fmt: skip


@pytest.mark.parametrize("payment", [FULL, BARE, after(None, event())], ids=["full", "bare", "usual"])
async def test_what_is_inserted_is_read_back_whole(stores: Stores, payment: Payment) -> None:
    """Every field of a payment and its events survives storage exactly, large amounts and all scripts included."""
    assert await insert(stores, payment) == (set(), set())
    found = await stores.payments.read_durable([payment.id])
    # A risk belongs to the payment; its events don't repeat it.
    events = tuple([replace(stored, event=replace(stored.event, risk=None)) for stored in payment.events])
    assert found == {payment.id: replace(payment, events=events)}


async def test_what_exists_is_told_by_position_and_left_alone(stores: Stores) -> None:
    """Of a batch the known ids are named, whatever the document holds, and the new ones are stored."""
    first = after(None, event("T-1"))
    await insert(stores, first)
    other = after(None, event("T-1", amount=77))
    assert await insert(stores, after(None, event("T-0")), other, after(None, event("T-2"))) == ({1}, set())
    found = await stores.payments.read_durable(["autopay:T-0", "autopay:T-1", "autopay:T-2"])
    assert set(found) == {"autopay:T-0", "autopay:T-1", "autopay:T-2"}
    assert found["autopay:T-1"].amount == 1_000


async def test_the_same_id_twice_in_one_batch_is_stored_once(stores: Stores) -> None:
    """The first of two equal ids wins, the second exists."""
    payment = after(None, event())
    assert await insert(stores, payment, payment) == ({1}, set())


async def test_concurrent_inserts_of_one_payment_store_it_once(stores: Stores) -> None:
    """Of several writers exactly one inserts; the others are told that it exists."""
    payment = after(None, event())
    told = await asyncio.gather(*(insert(stores, payment) for _ in range(8)))
    assert sorted(len(existing) for existing, _ in told) == [0, 1, 1, 1, 1, 1, 1, 1]


async def test_what_is_not_there_is_left_out(stores: Stores) -> None:
    """Reading an unknown id, or none, finds nothing and fails nothing."""
    assert await stores.payments.read_durable(["autopay:nowhere"]) == {}
    assert await stores.payments.read_durable([]) == {}


async def test_an_update_writes_state_and_appends_events(stores: Stores) -> None:
    """After an update the stored payment is the folded one: new version, status, totals, events in order."""
    before = after(None, event())
    await insert(stores, before)
    changed = after(before, refund("e-2", 300), refund("e-3", 700, description="all back"), now_ms=NOW_MS + 1_000)
    assert await stores.payments.update([Change(before=before, after=changed)]) == 1
    assert await stores.payments.read_durable([before.id]) == {before.id: changed}


async def test_an_update_of_an_outrun_version_writes_nothing(stores: Stores) -> None:
    """A change whose payment has moved on does not match, and the others of the batch do."""
    one, two = after(None, event("T-1")), after(None, event("T-2"))
    await insert(stores, one, two)
    moved = after(one, refund("e-2", 300))
    await stores.payments.update([Change(before=one, after=moved)])
    late = [
        Change(before=one, after=after(one, refund("e-9", 900))),
        Change(before=two, after=after(two, refund("e-9", 900, tx_id="T-2"))),
    ]
    assert await stores.payments.update(late) == 1
    found = await stores.payments.read_durable([one.id, two.id])
    assert found[one.id] == moved
    assert found[two.id].totals.refunded == 900


async def test_an_update_of_a_missing_payment_matches_nothing(stores: Stores) -> None:
    """An update never creates a payment."""
    before = after(None, event())
    assert await stores.payments.update([Change(before=before, after=after(before, refund("e-2", 1)))]) == 0
    assert await stores.payments.read_durable([before.id]) == {}


async def test_of_concurrent_updates_of_one_version_one_wins(stores: Stores) -> None:
    """The version is a guard: two writers that read the same version can't both write."""
    before = after(None, event())
    await insert(stores, before)
    changes = [Change(before=before, after=after(before, refund(f"e-{number}", 100))) for number in range(2, 8)]
    assert sum(await asyncio.gather(*(stores.payments.update([change]) for change in changes))) == 1
    [payment] = (await stores.payments.read_durable([before.id])).values()
    assert (payment.version, len(payment.events), payment.totals.refunded) == (2, 2, 100)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"amount": 2**63, "kind": EventKind.PENDING}, "amount"),
        ({"description": "\ud800"}, "description"),
        ({"sender": "\udfff"}, "sender_account"),
        ({"aliases": ("x" * 4_100_000,)}, "document"),
        ({"risk": {"a\0b": 1}}, "risk"),
    ],
)
async def test_what_can_not_be_stored_is_named_before_anything_is_sent(
    stores: Stores, fields: dict[str, Any], named: str
) -> None:
    """Encoding refuses a payment that would spoil its batch, and names the field."""
    payment = after(None, event(**fields))
    with pytest.raises(Unstorable) as refused:
        stores.payments.encode(payment)
    assert refused.value.field == named


async def test_money_is_stored_as_int64_and_times_as_dates(stores: Stores) -> None:
    """Whoever queries the database directly finds exact integers of one width, dates and lower-case names."""
    await insert(stores, after(None, event(amount=5)))
    document = await stores.payment_document("autopay:T-1")
    assert document is not None
    for money in (document["amount"], document["events"][0]["amount"], *document["totals"].values()):
        assert type(money) is Int64
    assert int(document["recorded_at"]) == NOW_MS
    assert type(document["recorded_at"]).__name__ == "DatetimeMS"
    assert (document["status"], document["events"][0]["kind"], document["schema"]) == ("success", "captured", 1)
    assert "description" not in document


async def test_payments_are_found_by_their_ids_and_aliases(stores: Stores) -> None:
    """Of each source those that have one of the wanted aliases, or are called so, come back, whatever their events."""
    one, two = after(None, event("T-1", aliases=("a", "b"))), after(None, event("T-2"))
    foreign = after(None, event("T-1", aliases=("b",)), source="partner")
    three = after(None, event("T-3", aliases=("c",)), refund("e-2", 300, tx_id="T-3", aliases=("d",)))
    await insert(stores, one, two, foreign, three)

    async def found(rows_max: int = 10, **wanted: set[str]) -> set[tuple[str, str, tuple[str, ...]]]:
        rows = await stores.payments.find_aliased(wanted, rows_max=rows_max)
        return {(each.source, each.tx_id, each.aliases) for each in rows}

    assert await found(autopay={"b", "x"}) == {("autopay", "T-1", ("a", "b"))}
    assert await found(autopay={"T-2", "d"}, partner={"b"}) == {
        ("autopay", "T-2", ()),
        ("autopay", "T-3", ("c", "d")),
        ("partner", "T-1", ("b",)),
    }
    assert await found(partner={"a", "T-2"}) == set()
    assert len(await found(rows_max=2, autopay={"T-1", "T-2", "T-3"})) == 2


async def test_an_event_is_let_name_another_delivery(stores: Stores) -> None:
    """Only the event that still names what it did is changed, and the payment's version stays."""
    await insert(stores, after(None, event(), refund("e-2", 100)))
    key = "autopay:T-1"
    first = Renaming(payment_id=key, event_id="e-1", before="a:b", after="a:c")
    late = Renaming(payment_id=key, event_id="e-2", before="a:other", after="a:d")
    await stores.payments.rename_deliveries([first, late])
    payment = (await stores.payments.read_durable([key]))[key]
    assert [(stored.event.event_id, stored.delivery) for stored in payment.events] == [("e-1", "a:c"), ("e-2", "a:b")]
    assert payment.version == 2
