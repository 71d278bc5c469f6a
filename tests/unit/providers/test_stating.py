"""What is stated of an object is its whole amount; what ends one has none."""

from __future__ import annotations

import pytest

from providers.contract import Basis, Kind
from providers.stating import ENDS_WHOLE, stated


@pytest.mark.parametrize("kind", Kind)
def test_only_what_ends_an_object_has_no_amount(kind: Kind) -> None:
    """A failed capture or refund and a won dispute end their object whole, whatever amount is stated beside."""
    event = stated(kind, tx_id="T-1", event_id="e-1", object_id="o-1", amount=(500, "EUR", 2), happened_ms=1)
    expected = (None, "", 0) if kind in ENDS_WHOLE else (500, "EUR", 2)
    assert (event.amount_minor, event.currency, event.exponent) == expected
    assert (event.basis, event.event_time_signed) == (Basis.CUMULATIVE, True)


def test_a_currency_without_an_amount_is_left_out() -> None:
    """No amount has no currency, and no time is no signed time."""
    event = stated(Kind.PENDING, tx_id="T-1", event_id="e-1", amount=(None, "EUR", 2), happened_ms=0)
    assert (event.amount_minor, event.currency, event.exponent, event.event_time_signed) == (None, "", 0, False)


def test_an_account_that_pays_itself_is_only_the_sender() -> None:
    """The ledger takes no payment from an account to itself, so the receiver is left out."""
    event = stated(Kind.PENDING, tx_id="T-1", event_id="e-1", happened_ms=0, sender="a", receiver="a")
    assert (event.sender_account, event.receiver_account) == ("a", "")
