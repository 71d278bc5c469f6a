"""The quarantine's lists and leases: each delivery once, audited, and wrong requests named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from bson import DatetimeMS

from mesh.channel import call
from mesh.errors import Fault, Kind
from tests.ledgers import TIMEOUT_S, clock_ms, refunded, running_ledger
from tests.quarantine_calls import (
    ACCEPT,
    DISMISS,
    IGNORED,
    RECORDED,
    REDRIVE,
    UNPROCESSABLE,
    WAITING,
    deliver,
    key_of,
    lease,
    listed,
    resolve,
)

pytestmark = pytest.mark.timeout(90)


async def test_of_many_workers_each_delivery_goes_to_one(mongo_url: str) -> None:
    """Workers that ask at once share the inbox, each delivery once; not finished, it comes again, later each time."""
    async with running_ledger(mongo_url) as ledger:
        for number in range(30):
            await deliver(ledger, f"w-{number}".encode(), disposition=WAITING)
        leases = await asyncio.gather(*(lease(ledger, deliveries_max=7) for _ in range(8)))
        ids = [each.id for taken in leases for each in taken]
        assert len(ids) == len(set(ids))
        rest: list[str] = []
        while taken := await lease(ledger):
            rest += [each.id for each in taken]
        assert len({*ids, *rest}) == len(ids) + len(rest) == 30
        long_ago = {"$set": {"due": {"$dateSubtract": {"startDate": "$$NOW", "unit": "hour", "amount": 2}}}}
        deliveries = ledger.database["deliveries"]
        await deliveries.update_one({"_id": ids[0]}, [long_ago])
        [again] = await lease(ledger)
        assert (again.id, again.lease_count) == (ids[0], 2)
        document = await deliveries.find_one({"_id": ids[0]})
        assert 9_000 <= int(document["due"]) - clock_ms() <= 11_000


async def test_what_waited_for_days_is_left_to_a_person(mongo_url: str) -> None:
    """After 200 times it is not handed out again but stands in quarantine as unprocessable; a person can redrive it."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, b"w", refunded("", 100, aliases=["ch-1"]))
        deliveries = ledger.database["deliveries"]
        for times, handed_out in ((199, 1), (200, 0)):
            await deliveries.update_one({}, {"$set": {"due": DatetimeMS(clock_ms() - 1_000), "lease_count": times}})
            assert len(await lease(ledger)) == handed_out
        [kept] = await listed(ledger)
        assert (kept.disposition, kept.lease_count) == (UNPROCESSABLE, 200)
        assert kept.disposition_detail.startswith("It was run again for days")
        await resolve(ledger, b"w", REDRIVE)
        [again] = await lease(ledger)
        assert (again.disposition, again.lease_count) == (WAITING, 1)


async def test_pages_hold_each_delivery_once_newest_first(mongo_url: str) -> None:
    """While more arrive, pages of any size give each quarantined delivery once; tokens belong to their query."""
    async with running_ledger(mongo_url) as ledger:
        for number in range(25):
            source = "autopay" if number % 2 else "partner"
            await deliver(ledger, f"u-{number}".encode(), source=source, disposition=UNPROCESSABLE)
        await deliver(ledger, b"ignored", disposition=IGNORED)
        token, found = "", []
        for number in range(9):
            request = ledger_pb2.ListDeliveriesRequest(page_size=3, page_token=token)
            page = await call(ledger.stub.ListDeliveries, request, timeout_s=TIMEOUT_S)
            found += [each.id for each in page.deliveries]
            await deliver(ledger, f"new-{number}".encode(), disposition=UNPROCESSABLE)
            token = page.next_page_token
        assert found == [
            key_of(f"u-{number}".encode(), "autopay" if number % 2 else "partner") for number in reversed(range(25))
        ]
        assert not token
        assert len(await listed(ledger, source="partner")) == 13
        assert [each.disposition for each in await listed(ledger, disposition=IGNORED)] == [IGNORED]
        request = ledger_pb2.ListDeliveriesRequest(page_size=3)
        token = (await call(ledger.stub.ListDeliveries, request, timeout_s=TIMEOUT_S)).next_page_token
        with pytest.raises(Fault) as refused:
            await listed(ledger, page_size=3, page_token=token, source="partner")
        assert refused.value.reason == "TOKEN_INVALID"


async def test_who_read_bytes_and_who_decided_is_audited(mongo_url: str) -> None:
    """Bytes that were shown and decisions that were made stand in the audit; a list without bytes does not."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, b"?", disposition=UNPROCESSABLE)
        await listed(ledger)
        await listed(ledger, with_body=True)
        await resolve(ledger, b"?", DISMISS)
        entries = await ledger.database["audit"].find({}, sort=[("_id", 1)]).to_list(10)
    assert [entry["action"] for entry in entries] == ["delivery.read_body", "delivery.resolve"]
    assert entries[0]["subjects"] == entries[1]["subjects"] == [key_of(b"?")]
    assert entries[1]["details"] == {"resolution": "dismiss", "author": "ann", "note": "asked the bank"}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("ListDeliveries", {"disposition": RECORDED}, "disposition"),
    ("ListDeliveries", {"disposition": 99}, "disposition"),
    ("ListDeliveries", {"source": "NO"}, "source"),
    ("ListDeliveries", {"received_since_ms": -1}, "received_since_ms"),
    ("ListDeliveries", {"page_size": 201}, "page_size"),
    ("ListDeliveries", {"page_size": 21, "with_body": True}, "page_size"),
    ("ListDeliveries", {"page_token": "x"}, "page_token"),
    ("ListDeliveries", {"id": "x"}, "id"),
    ("ListDeliveries", {"id": key_of(b""), "source": "autopay"}, "id"),
    ("ResolveDelivery", {"id": "x", "resolution": ACCEPT, "author": "a", "note": "n"}, "id"),
    ("ResolveDelivery", {"id": key_of(b""), "author": "a", "note": "n"}, "resolution"),
    ("ResolveDelivery", {"id": key_of(b""), "resolution": 9, "author": "a", "note": "n"}, "resolution"),
    ("ResolveDelivery", {"id": key_of(b""), "resolution": ACCEPT, "author": " ", "note": "n"}, "author"),
    ("ResolveDelivery", {"id": key_of(b""), "resolution": ACCEPT, "author": "a" * 101, "note": "n"}, "author"),
    ("ResolveDelivery", {"id": key_of(b""), "resolution": ACCEPT, "author": "a", "note": "\0"}, "note"),
    ("LeaseDeliveries", {"worker": "", "deliveries_max": 1, "lease_ms": 5_000}, "worker"),
    ("LeaseDeliveries", {"worker": "w", "deliveries_max": 0, "lease_ms": 5_000}, "deliveries_max"),
    ("LeaseDeliveries", {"worker": "w", "deliveries_max": 1, "lease_ms": 4_999}, "lease_ms"),
    ("LeaseDeliveries", {"worker": "w", "deliveries_max": 1, "lease_ms": 5_000, "wait_ms": 30_001}, "wait_ms"),
]


async def test_a_wrong_field_is_named(mongo_url: str) -> None:
    """Each wrong field of these requests is INVALID, by its name; an unknown delivery is NOT_FOUND."""
    async with running_ledger(mongo_url) as ledger:
        for method, fields, named in WRONG:
            request = getattr(ledger_pb2, f"{method}Request")(**fields)
            with pytest.raises(Fault) as refused:
                await call(getattr(ledger.stub, method), request, timeout_s=TIMEOUT_S)
            assert refused.value.kind is Kind.INVALID, (method, fields)
            assert [wrong.field for wrong in refused.value.fields] == [named]
        for attempt in (resolve(ledger, b"nowhere", ACCEPT), listed(ledger, id=key_of(b"nowhere"))):
            with pytest.raises(Fault) as refused:
                await attempt
            assert refused.value.kind is Kind.NOT_FOUND
