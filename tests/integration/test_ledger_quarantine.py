"""The quarantine over gRPC and on a real replica set: listed, accepted, dismissed, run again; each decision kept."""

from __future__ import annotations

import asyncio

import pytest
from autopay.ledger.v1 import ledger_pb2

from mesh.errors import Fault, Kind
from tests.ledgers import captured, running_ledger
from tests.quarantine_calls import (
    ACCEPT,
    CONFLICT,
    DISMISS,
    DISMISSED,
    RECORDED,
    REDRIVE,
    UNPROCESSABLE,
    WAITING,
    deliver,
    full,
    key_of,
    lease,
    listed,
    resolve,
)

pytestmark = pytest.mark.timeout(90)


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
        again = await deliver(ledger, b"forged", forged, delivery_id="d-again")
        assert again.disposition == CONFLICT
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
