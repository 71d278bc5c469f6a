"""The quarantine over gRPC and on a real replica set: listed, accepted, dismissed, run again; each decision kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, payment_pb2

from mesh.channel import call
from mesh.errors import Fault, Kind
from tests.ledgers import TIMEOUT_S, RunningLedger, captured, clock_ms, running_ledger

pytestmark = pytest.mark.timeout(90)

CONFLICT, WAITING = ledger_pb2.DISPOSITION_CONFLICT, ledger_pb2.DISPOSITION_WAITING
UNPROCESSABLE, DISMISSED = ledger_pb2.DISPOSITION_UNPROCESSABLE, ledger_pb2.DISPOSITION_DISMISSED
RECORDED, IGNORED = ledger_pb2.DISPOSITION_RECORDED, ledger_pb2.DISPOSITION_IGNORED
ACCEPT, DISMISS, REDRIVE = (
    ledger_pb2.RESOLUTION_ACCEPT,
    ledger_pb2.RESOLUTION_DISMISS,
    ledger_pb2.RESOLUTION_REDRIVE,
)


def key_of(body: bytes, source: str = "autopay") -> str:
    """The id of a delivery of these bytes."""
    return f"{source}:{hashlib.sha256(body).hexdigest()}"


async def deliver(
    ledger: RunningLedger,
    body: bytes,
    *events: payment_pb2.PaymentEvent,
    source: str = "autopay",
    **fields: Any,
) -> ledger_pb2.RecordResult:
    """Record a delivery of these bytes and return what became of it."""
    delivery = delivery_pb2.Delivery(
        delivery_id=f"d-{body.hex()}",
        source=source,
        provider="autopay",
        body=body,
        headers=[delivery_pb2.Header(name="x-one", value=b"\xff\x00")],
        key_id="k1",
        received_at_ms=clock_ms(),
    )
    item = ledger_pb2.RecordItem(
        delivery_id=delivery.delivery_id,
        source=source,
        delivery=delivery,
        events=[ledger_pb2.RecordEvent(event=event) for event in events],
        **fields,
    )
    answer: ledger_pb2.RecordResponse = await call(
        ledger.stub.Record, ledger_pb2.RecordRequest(items=[item]), timeout_s=TIMEOUT_S
    )
    assert not answer.results[0].HasField("error"), answer
    return answer.results[0]


async def listed(ledger: RunningLedger, **fields: Any) -> Sequence[ledger_pb2.StoredDelivery]:
    """One page."""
    request = ledger_pb2.ListDeliveriesRequest(**fields)
    response: ledger_pb2.ListDeliveriesResponse = await call(ledger.stub.ListDeliveries, request, timeout_s=TIMEOUT_S)
    return response.deliveries


async def resolve(
    ledger: RunningLedger, body: bytes, resolution: Any, *, author: str = "ann", note: str = "asked the bank"
) -> ledger_pb2.StoredDelivery:
    """Resolve the delivery of these bytes."""
    request = ledger_pb2.ResolveDeliveryRequest(id=key_of(body), resolution=resolution, author=author, note=note)
    response: ledger_pb2.ResolveDeliveryResponse = await call(ledger.stub.ResolveDelivery, request, timeout_s=TIMEOUT_S)
    return response.delivery


async def lease(ledger: RunningLedger, **fields: Any) -> Sequence[ledger_pb2.StoredDelivery]:
    """Lease waiting deliveries."""
    request = ledger_pb2.LeaseDeliveriesRequest(
        **{"worker": "tests", "deliveries_max": 10, "lease_ms": 5_000, **fields}
    )
    response: ledger_pb2.LeaseDeliveriesResponse = await call(ledger.stub.LeaseDeliveries, request, timeout_s=TIMEOUT_S)
    return response.deliveries


async def full(ledger: RunningLedger, tx_id: str) -> ledger_pb2.Transaction:
    """A payment in full."""
    request = ledger_pb2.GetTransactionRequest(source="autopay", tx_id=tx_id, view=ledger_pb2.TRANSACTION_VIEW_FULL)
    response: ledger_pb2.GetTransactionResponse = await call(ledger.stub.GetTransaction, request, timeout_s=TIMEOUT_S)
    return response.transaction


async def test_an_accepted_conflict_is_a_correction_by_its_author(mongo_url: str) -> None:
    """The accepted amount holds, the correction names who, why and what it replaces, and both originals are known."""
    async with running_ledger(mongo_url) as ledger:
        first = captured("T-1", 10_000, event_id="e-1")
        forged = captured("T-1", 12_000, event_id="e-1")
        assert (await deliver(ledger, b"first", first)).disposition == RECORDED
        refused = await deliver(ledger, b"forged", forged)
        assert (refused.disposition, refused.events[0].conflict_field) == (CONFLICT, "event_id")
        [found] = await listed(ledger)
        assert (found.id, found.disposition, found.delivery.body) == (key_of(b"forged"), CONFLICT, b"")
        assert found.conflicts[0].field == "event_id"
        assert found.conflicts[0].event.amount.minor_units == 12_000
        assert found.conflicts[0].event.amount.exponent == 2
        for _ in range(2):
            accepted = await resolve(ledger, b"forged", ACCEPT)
            assert accepted.disposition == RECORDED
            assert [(each.resolution, each.author, each.note) for each in accepted.resolutions] == [
                (ACCEPT, "ann", "asked the bank")
            ]
            assert accepted.resolutions[0].resolved_at_ms > 0
        payment = await full(ledger, "T-1")
        assert (payment.amount.minor_units, payment.totals.captured, payment.version) == (12_000, 12_000, 2)
        corrections = [each for each in payment.events if each.HasField("correction")]
        assert len(corrections) == 1
        assert corrections[0].delivery == key_of(b"forged")
        said = corrections[0].correction
        assert (said.author, said.note, said.event_id) == ("ann", "asked the bank", "e-1")
        assert said.replaced_event_ids == ["e-1"]
        assert (await deliver(ledger, b"first again", first)).disposition == ledger_pb2.DISPOSITION_DUPLICATE
        again = await deliver(ledger, b"forged", forged)
        assert again.events[0].outcome == ledger_pb2.OUTCOME_DUPLICATE
        assert not await listed(ledger)
        assert (await full(ledger, "T-1")).version == 2


async def test_a_dismissed_conflict_stays_dismissed(mongo_url: str) -> None:
    """Dismissed, it leaves the quarantine and the payment as it was; sent again it conflicts, unlisted."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, b"first", captured("T-1", 10_000))
        forged = captured("T-1", 12_000)
        await deliver(ledger, b"forged", forged)
        assert (await resolve(ledger, b"forged", DISMISS, note="a test of theirs")).disposition == DISMISSED
        assert (await deliver(ledger, b"forged", forged)).disposition == CONFLICT
        assert not await listed(ledger)
        [kept] = await listed(ledger, disposition=DISMISSED)
        assert (kept.count, kept.resolutions[0].note) == (2, "a test of theirs")
        assert (await full(ledger, "T-1")).version == 1
        with pytest.raises(Fault) as refused:
            await resolve(ledger, b"forged", ACCEPT)
        assert (refused.value.kind, refused.value.reason) == (Kind.CONFLICT, "NOT_RESOLVABLE")
        assert refused.value.metadata == {"disposition": "dismissed"}


async def test_what_was_unprocessable_is_run_again_and_recorded(mongo_url: str) -> None:
    """Redriven, its exact bytes are handed to one worker, and what Record then says of them ends the waiting."""
    async with running_ledger(mongo_url) as ledger:
        body = b"no mapping yet"
        await deliver(ledger, body, disposition=UNPROCESSABLE, disposition_detail="type: is unknown")
        [found] = await listed(ledger, disposition=UNPROCESSABLE, with_body=True)
        assert (found.delivery.body, found.disposition_detail) == (body, "type: is unknown")
        assert not await lease(ledger)
        waits = asyncio.create_task(lease(ledger, wait_ms=5_000))
        await asyncio.sleep(0.3)
        assert (await resolve(ledger, body, REDRIVE, note="mapping 2 knows it")).disposition == WAITING
        [leased] = await waits
        assert (leased.delivery.body, leased.delivery.provider, leased.lease_count) == (body, "autopay", 1)
        assert [(each.name, each.value) for each in leased.delivery.headers] == [("x-one", b"\xff\x00")]
        assert not await lease(ledger)
        result = await deliver(ledger, body, captured("T-9"))
        assert result.disposition == RECORDED
        assert not await listed(ledger)
        document = await ledger.database["deliveries"].find_one({"_id": key_of(body)})
        assert (document["disposition"], document["transactions"]) == ("recorded", ["autopay:T-9"])
        assert "detail" not in document
        assert [each["resolution"] for each in document["resolutions"]] == ["redrive"]


async def test_what_still_makes_no_sense_goes_back_into_quarantine(mongo_url: str) -> None:
    """A redriven delivery that is unprocessable again is listed again, with the new reason."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, b"?", disposition=UNPROCESSABLE, disposition_detail="old")
        await resolve(ledger, b"?", REDRIVE)
        await deliver(ledger, b"?", disposition=UNPROCESSABLE, disposition_detail="new")
        [found] = await listed(ledger)
        assert (found.disposition, found.disposition_detail) == (UNPROCESSABLE, "new")
        assert (await resolve(ledger, b"?", DISMISS)).disposition == DISMISSED
        assert (await resolve(ledger, b"?", REDRIVE)).disposition == WAITING
        resolutions = (await listed(ledger, id=key_of(b"?")))[0].resolutions
        assert [each.resolution for each in resolutions] == [REDRIVE, DISMISS, REDRIVE]


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
