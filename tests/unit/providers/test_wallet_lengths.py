"""Ids at the limit of what a provider may send, continued by what became of them, are still ids to the ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from providers import mollie, paystack, razorpay, square
from providers.contract import Provider
from tests.conformance.folding import fact_of
from tests.unit.providers import mollie_bodies, paystack_bodies, razorpay_bodies, square_bodies
from tests.unit.providers.mapping import only_event, wrong_fields

Body = Callable[[str], bytes]
CONTINUED: list[tuple[Provider, Body, str]] = [
    (
        razorpay.PROVIDER,
        lambda id_: razorpay_bodies.refund("refund.failed", id_, 1, refunded=0),
        "payload.refund.entity.id",
    ),
    (paystack.PROVIDER, lambda id_: paystack_bodies.refund("refund.failed", id_, "1"), "data.refund_reference"),
    (mollie.PROVIDER, lambda id_: mollie_bodies.refund(id_, "1.00", "failed"), "id"),
    (mollie.PROVIDER, lambda id_: mollie_bodies.capture(id_, "1.00", "failed"), "id"),
    (
        square.PROVIDER,
        lambda id_: square_bodies.payment("COMPLETED", 3).replace(
            b'"event_id":"pay-3"', f'"event_id":"{id_}"'.encode()
        ),
        "event_id",
    ),
]


@pytest.mark.parametrize(("provider", "body", "field"), CONTINUED)
def test_the_longest_id_still_fits(provider: Provider, body: Body, field: str) -> None:
    """What is taken, the ledger takes; what would grow too long is named."""
    assert fact_of(only_event(provider, body("i" * 100))).event_id
    for too_long in (101, 190, 200, 201):
        assert wrong_fields(provider, body("i" * too_long)) == {field}
