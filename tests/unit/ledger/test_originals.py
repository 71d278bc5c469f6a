"""A retry in other bytes after half a write: the event ends up naming bytes that are stored."""

from __future__ import annotations

import pytest

from services.ledger.model import Failure, Outcome
from tests.fakes.ledger_items import event, item, key_of
from tests.unit.ledger.rig import Rig

FIRST, OTHER, THIRD = b"{}", b"{ }", b"{  }"
LATER_MS = 5_000


@pytest.fixture
async def rig() -> Rig:
    """A recorder that stored a payment, and not the delivery it came with; its sender was told 503."""
    rig = Rig()
    rig.deliveries.fail("insert_new")
    assert await rig.outcomes(item("d-0", event(), body=FIRST)) == [Failure.NOT_DURABLE]
    rig.deliveries.heal()
    del rig.deliveries.documents[key_of(FIRST)]
    rig.payments.calls.clear()
    rig.deliveries.calls.clear()
    return rig


def named_by(rig: Rig) -> str:
    """The delivery that the payment's only event names."""
    [stored] = rig.payments.get("autopay:T-1").events
    return stored.delivery


async def test_a_late_retry_in_other_bytes_takes_the_place_of_what_failed(rig: Rig) -> None:
    """Once the first delivery can't come any more, the accepted one is what the event names; the version stays."""
    rig.now_ms += LATER_MS
    assert await rig.outcomes(item("d-1", event(), body=OTHER)) == [[Outcome.DUPLICATE]]
    assert named_by(rig) == key_of(OTHER)
    assert key_of(OTHER) in rig.deliveries.documents
    assert rig.payments.get("autopay:T-1").version == 1


async def test_a_quick_retry_in_other_bytes_is_asked_to_come_again(rig: Rig) -> None:
    """While the first delivery may be on its way nobody is acknowledged, however often; then the retry is."""
    again = item("d-1", event(), body=OTHER)
    assert await rig.outcomes(again) == [Failure.NOT_DURABLE]
    assert await rig.outcomes(again, item("d-2", event("T-2"))) == [Failure.NOT_DURABLE, [Outcome.CREATED]]
    assert named_by(rig) == key_of(FIRST)
    rig.now_ms += LATER_MS
    assert await rig.outcomes(again) == [[Outcome.DUPLICATE]]
    assert named_by(rig) == key_of(OTHER)


async def test_the_same_bytes_repair_it_at_once(rig: Rig) -> None:
    """A retry in the first one's bytes stores them, and others that come later change nothing."""
    assert await rig.outcomes(item("d-1", event(), body=FIRST)) == [[Outcome.DUPLICATE]]
    rig.now_ms += LATER_MS
    assert await rig.outcomes(item("d-2", event(), body=OTHER)) == [[Outcome.DUPLICATE]]
    assert named_by(rig) == key_of(FIRST)


async def test_the_first_of_several_retries_wins(rig: Rig) -> None:
    """What an event names once it was repaired stays, whatever comes after it."""
    rig.now_ms += LATER_MS
    await rig.record(item("d-1", event(), body=OTHER))
    assert await rig.outcomes(item("d-2", event(), body=THIRD)) == [[Outcome.DUPLICATE]]
    assert named_by(rig) == key_of(OTHER)


@pytest.mark.parametrize(("store", "operation"), [("deliveries", "read_stored"), ("payments", "rename_deliveries")])
async def test_an_unknown_repair_acknowledges_nothing(rig: Rig, store: str, operation: str) -> None:
    """Where the original can't be looked for, or the repair's outcome is unknown, the answer is 503."""
    rig.now_ms += LATER_MS
    getattr(rig, store).fail(operation)
    assert await rig.outcomes(item("d-1", event(), body=OTHER)) == [Failure.NOT_DURABLE]


async def test_nobody_else_pays_for_it(rig: Rig) -> None:
    """New payments, and what is told again in the same bytes, ask nothing about originals."""
    await rig.record(item("d-1", event("T-2"), body=THIRD), item("d-2", event("T-3"), body=OTHER))
    await rig.record(item("d-3", event("T-2"), body=THIRD))
    assert "read_stored" not in rig.deliveries.calls
    assert "rename_deliveries" not in rig.payments.calls
