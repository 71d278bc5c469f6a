"""What recording may rely on of a store of deliveries, whichever it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import Int64

from services.ledger.model import Delivery, Disposition, Unstorable
from services.ledger.ports import Repeat
from tests.contract.conftest import Stores
from tests.fakes.ledger_items import NOW_MS, delivery, event, item, key_of, unmapped


def encoded(stores: Stores, body: bytes, disposition: Disposition = Disposition.RECORDED, **fields: Any) -> bytes:
    """Return a delivery of these bytes as it is stored."""
    arrived: Delivery = delivery(body, **fields)
    arrival = item("d-1", event("T-1"), event("T-2"), delivery=arrived)
    return stores.deliveries.encode(key_of(body), arrival, arrived, disposition, now_ms=NOW_MS)


async def found(stores: Stores, body: bytes) -> dict[str, Any]:
    """Return the stored document of these bytes."""
    document = await stores.delivery_document(key_of(body))
    assert document is not None
    return document


@pytest.mark.parametrize("body", [b"", b"{}", b"\x00\xff\xfe\r\n", bytes(range(256)) * 1024], ids=len)
async def test_the_exact_bytes_are_kept(stores: Stores, body: bytes) -> None:
    """Every byte of a body of up to 256 KiB comes back as it was sent."""
    inserted = await stores.deliveries.insert_new([encoded(stores, body)])
    assert (inserted.existing, inserted.unstorable) == (frozenset(), frozenset())
    document = await found(stores, body)
    assert document["body"] == body
    assert isinstance(document["body"], bytes)


async def test_what_arrived_is_kept_with_what_the_edge_knew(stores: Stores) -> None:
    """Headers, key id, times, trace, disposition and the payments it led to stand beside the bytes."""
    fields: dict[str, Any] = {
        "headers": (("user-agent", b"\xff\x00"), ("x.y", b"$")),
        "key_id": "k9",
        "traceparent": "00-1-2-01",
    }
    await stores.deliveries.insert_new([encoded(stores, b"{}", **fields)])
    document = await found(stores, b"{}")
    assert document["headers"] == {"user-agent": b"\xff\x00", "x.y": b"$"}
    assert (document["key_id"], document["traceparent"], document["provider"]) == ("k9", "00-1-2-01", "autopay")
    assert (document["delivery_id"], document["source"], document["disposition"]) == ("d-1", "autopay", "recorded")
    assert document["transactions"] == ["autopay:T-1", "autopay:T-2"]
    for name in ("received_at", "signed_at", "recorded_at", "last_seen_at"):
        assert int(document[name]) == NOW_MS


async def test_known_bytes_are_told_by_position(stores: Stores) -> None:
    """Of a batch those that were there already are named, and left as they were."""
    await stores.deliveries.insert_new([encoded(stores, b"{1}")])
    batch = [encoded(stores, b"{0}"), encoded(stores, b"{1}", Disposition.CONFLICT), encoded(stores, b"{2}")]
    assert (await stores.deliveries.insert_new(batch)).existing == {1}
    assert (await found(stores, b"{1}"))["disposition"] == "recorded"


async def test_repeats_are_counted_and_dated(stores: Stores) -> None:
    """The count grows by what came, the last time is the newest, and the disposition stays unless one is given."""
    await stores.deliveries.insert_new([encoded(stores, b"{1}"), encoded(stores, b"{2}")])
    await stores.deliveries.repeat(
        [
            Repeat(key=key_of(b"{1}"), seen_by=("d-2", "d-3", "d-4"), disposition=None, seen_at_ms=NOW_MS + 9),
            Repeat(key=key_of(b"{2}"), seen_by=(), disposition=Disposition.DUPLICATE, seen_at_ms=NOW_MS + 5),
        ]
    )
    one, two = await found(stores, b"{1}"), await found(stores, b"{2}")
    assert (one["count"], int(one["last_seen_at"]), one["disposition"]) == (4, NOW_MS + 9, "recorded")
    assert (two["count"], int(two["last_seen_at"]), two["disposition"]) == (1, NOW_MS + 5, "duplicate")
    assert type(one["count"]) is type(two["count"]) is Int64


async def test_concurrent_repeats_are_all_counted(stores: Stores) -> None:
    """Counting is one atomic step: nothing is lost between replicas."""
    await stores.deliveries.insert_new([encoded(stores, b"{}")])
    again = [
        Repeat(key=key_of(b"{}"), seen_by=(f"again-{number}",), disposition=None, seen_at_ms=NOW_MS)
        for number in range(10)
    ]
    await asyncio.gather(*(stores.deliveries.repeat([each]) for each in again))
    assert (await found(stores, b"{}"))["count"] == 11


@pytest.mark.parametrize("over", [None, frozenset(Disposition)], ids=["any", "over"])
async def test_a_retry_is_counted_once(stores: Stores, over: frozenset[Disposition] | None) -> None:
    """A delivery that comes again under an id that is counted already, the first or the last, was counted."""
    await stores.deliveries.insert_new([encoded(stores, b"{}")])

    async def again(*delivery_ids: str) -> int:
        disposition = None if over is None else Disposition.RECORDED
        repeat = Repeat(key=key_of(b"{}"), seen_by=delivery_ids, disposition=disposition, seen_at_ms=NOW_MS, over=over)
        await stores.deliveries.repeat([repeat])
        return int((await found(stores, b"{}"))["count"])

    assert [await again(each) for each in ("d-1", "d-2", "d-2", "d-1", "d-2", "d-3")] == [1, 2, 2, 2, 2, 3]
    assert await again("d-1", "d-3", "d-4") == 4


async def test_a_repeat_of_what_is_not_there_creates_nothing(stores: Stores) -> None:
    """Counting unknown bytes leaves no half document behind."""
    await stores.deliveries.repeat([Repeat(key=key_of(b"?"), seen_by=("d-1",), disposition=None, seen_at_ms=NOW_MS)])
    assert await stores.delivery_document(key_of(b"?")) is None


async def test_why_a_delivery_could_not_be_processed_is_kept(stores: Stores) -> None:
    """A delivery without events stands with its disposition and the reason, and names no payment."""
    arrival = unmapped("d-1", Disposition.UNPROCESSABLE, body=b"?", detail="amount: must be a number")
    assert arrival.delivery is not None
    document = stores.deliveries.encode(
        key_of(b"?"), arrival, arrival.delivery, Disposition.UNPROCESSABLE, now_ms=NOW_MS
    )
    await stores.deliveries.insert_new([document])
    stored = await found(stores, b"?")
    assert (stored["disposition"], stored["detail"]) == ("unprocessable", "amount: must be a number")
    assert stored["transactions"] == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"headers": (("a\0b", b""),)}, "headers"),
        ({"key_id": "\ud800"}, "key_id"),
        ({"provider": "x" * 1_000_000}, "document"),
    ],
)
async def test_what_can_not_be_stored_is_named_before_anything_is_sent(
    stores: Stores, fields: dict[str, Any], named: str
) -> None:
    """Encoding refuses a delivery that would spoil its batch, and names the field."""
    with pytest.raises(Unstorable) as refused:
        encoded(stores, b"{}", **fields)
    assert refused.value.field == named


async def test_stored_keys_are_told_from_others(stores: Stores) -> None:
    """Of keys asked for, those come back that are stored."""
    await stores.deliveries.insert_new([encoded(stores, b"{1}"), encoded(stores, b"{2}")])
    assert set(await stores.deliveries.read_stored({key_of(b"{1}"), key_of(b"{3}")})) == {key_of(b"{1}")}
