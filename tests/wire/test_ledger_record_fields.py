"""Record over a real connection: every wrong field of an item is named, and its item fails alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, error_pb2, money_pb2, payment_pb2

from tests.wire.record_ledger import Item, Ledger, fact, item


def changed(change: Callable[[Item], object]) -> Item:
    """Return a good item after a change."""
    made = item("d-1", fact())
    change(made)
    return made


def with_event(**fields: Any) -> Item:
    """Return an item whose second event has these fields."""
    return item("d-1", fact("T-0"), fact(**fields))


WRONG: list[tuple[str, Item]] = [
    ("delivery_id", item("", fact())),
    ("delivery_id", item("d 1", fact())),
    ("source", item("d-1", fact(), source="")),
    ("source", item("d-1", fact(), source="Auto.Pay")),
    ("delivery.source", item("d-1", fact(), source="partner")),
    ("delivery.body", changed(lambda it: setattr(it.delivery, "body", b"x" * 262_145))),
    ("delivery.headers", changed(lambda it: it.delivery.headers.extend([delivery_pb2.Header(name="x")] * 32))),
    ("events", item("d-1", *[fact(event_id=f"e-{number}") for number in range(101)])),
    ("events", Item(delivery_id="d-1", source="autopay")),
    ("disposition", item("d-1")),
    ("disposition", item("d-1", disposition=ledger_pb2.DISPOSITION_RECORDED)),
    ("events[1].event.kind", with_event(kind=payment_pb2.EVENT_KIND_UNSPECIFIED)),
    ("events[1].event.kind", with_event(kind=77)),
    ("events[1].event.tx_id", with_event(tx_id="")),
    ("events[1].event.tx_id", with_event(tx_id="", aliases=[""])),
    ("events[1].event.amount", with_event(amount=None)),
    (
        "events[1].event.amount.minor_units",
        with_event(amount=money_pb2.Money(minor_units=-5, currency="EUR", exponent=2)),
    ),
    ("events[1].event.amount.currency", with_event(amount=money_pb2.Money(minor_units=5, currency="EURO"))),
    ("events[1].event.amount.exponent", with_event(amount=money_pb2.Money(minor_units=5, currency="EUR", exponent=3))),
    ("events[1].event.sender_account", with_event(sender_account="a b")),
    ("events[1].event.receiver_account", with_event(receiver_account="payer")),
    ("events[1].event.event_id", with_event(event_id="x" * 201)),
    ("events[1].event.object_id", with_event(object_id="x" * 201)),
    ("events[1].event.description", with_event(description="x" * 501)),
    ("events[1].event.event_time_ms", with_event(event_time_ms=-1)),
    ("events[1].event.aliases", with_event(aliases=["a"] * 17)),
]


async def test_every_wrong_field_is_named_and_its_item_fails_alone(ledger: Ledger) -> None:
    """In one batch of all possible mistakes each item is refused by its field, and the good ones are recorded."""
    good = [item("d-first", fact("T-first")), item("d-last", fact("T-last"))]
    first, *wrong, last = await ledger.record(good[0], *[each for _, each in WRONG], good[1])
    assert [result.error.field for result in wrong] == [
        f"items[{place}].{field}" for place, (field, _) in enumerate(WRONG, start=1)
    ]
    for result in wrong:
        assert result.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert result.error.reason == error_pb2.ERROR_REASON_INVALID_FIELD
        assert not result.error.retryable
        assert result.disposition == ledger_pb2.DISPOSITION_UNSPECIFIED
    assert first.disposition == last.disposition == ledger_pb2.DISPOSITION_RECORDED
    assert set(ledger.rig.payments.documents) == {"autopay:T-first", "autopay:T-last"}
    assert len(ledger.rig.deliveries.documents) == 2
