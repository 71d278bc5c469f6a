"""Stripe's deliveries, signed and checked by its own library, and what is wrong with the ones that mean nothing."""

from __future__ import annotations

import contextlib
import json

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from providers.contract import Event, HeaderLookup, Kind, Options, Refused, Secret, Unprocessable
from providers.stripe import PROVIDER
from tests.conformance import vectors
from tests.unit.providers.signing import NOW_S, WINDOW, headers

SECRET = Secret("endpoint", "whsec_c4VnB0tJ3xWq7LmPz2RsYd8KfGhT6uEa")
FILE = vectors.load("stripe")


def signature(body: str, timestamp: int = NOW_S) -> str:
    """The digest that the library computes."""
    return stripe.WebhookSignature._compute_signature(f"{timestamp}.{body}", SECRET.value)


def sent(value: str) -> HeaderLookup:
    """The one header."""
    return headers(("Stripe-Signature", value))


def body_of(name: str, **changes: object) -> bytes:
    """The body of a delivery of the vectors file, with fields of its object changed."""
    body = json.loads(FILE.deliveries[name].body)
    body["data"]["object"].update(changes)
    return json.dumps(body).encode()


def mapped(body: bytes) -> list[Event]:
    """The events of a body."""
    return list(PROVIDER.map(body, {}))


def test_what_the_library_signs_is_accepted() -> None:
    """A digest by the library verifies, and the library accepts a digest that we accept."""
    body = '{"type":"charge.succeeded","note":"grüße €"}'
    value = f"t={NOW_S},v1={signature(body)}"
    verified = PROVIDER.verify(body.encode(), sent(value), (SECRET,), now_s=NOW_S, window=WINDOW)
    assert (verified.key_id, verified.signed_at_s) == ("endpoint", NOW_S)
    request = FILE.signed(FILE.first)
    assert stripe.WebhookSignature.verify_header(
        request.body.decode(), request.value("Stripe-Signature"), FILE.secrets.current.value
    )


def test_the_secret_is_the_text_itself() -> None:
    """`whsec_` is part of the key: Stripe signs with the text as the dashboard shows it."""
    bare = Secret("bare", SECRET.value.removeprefix("whsec_"))
    with pytest.raises(Refused):
        PROVIDER.verify(b"{}", sent(f"t={NOW_S},v1={signature('{}')}"), (bare,), now_s=NOW_S, window=WINDOW)


def test_sixteen_signatures_are_tried() -> None:
    """Rotated secrets give a few signatures; hundreds are nobody's."""
    others = ",".join(f"v1={'0' * 64}" for _ in range(15))
    good = f"t={NOW_S},{others},v1={signature('{}')}"
    assert PROVIDER.verify(b"{}", sent(good), (SECRET,), now_s=NOW_S, window=WINDOW).key_id == "endpoint"
    with pytest.raises(Refused):
        PROVIDER.verify(b"{}", sent(f"{good},v1={'0' * 64}"), (SECRET,), now_s=NOW_S, window=WINDOW)


@pytest.mark.parametrize(("expected", "taken"), [(None, True), (False, True), (True, False)])
def test_the_mode_must_be_the_sources(expected: bool | None, taken: bool) -> None:
    """A test event never becomes a live payment."""
    provider = PROVIDER.configured(Options(live=expected))
    body = FILE.deliveries["succeeded"].body
    if taken:
        assert provider.map(body, {})
    else:
        with pytest.raises(Unprocessable) as refused:
            provider.map(body, {})
        assert [wrong.field for wrong in refused.value.wrong] == ["livemode"]


@pytest.mark.parametrize(
    ("currency", "given_amount", "minor_units"),
    [
        ("usd", "1099", 1099),
        ("JPY", "500", 500),
        ("isk", "500", 5),
        ("ugx", "500", 5),
        ("mga", "5", 500),
        ("bhd", "5120", 5120),
        ("huf", "100000", 100_000),
        ("twd", "80000", 80_000),
        ("usd", str(2**63 - 1), 2**63 - 1),
        ("usd", str(2**63), None),
        ("mga", str(2**62), None),
        ("isk", "501", None),
        ("usd", "0", None),
        ("usd", "-1", None),
        ("usd", "1.0", None),
        ("usd", "1e3", None),
        ("usd", "9" * 5_000, None),
    ],
)
def test_amounts_are_in_the_currencys_own_minor_units(
    currency: str, given_amount: str, minor_units: int | None
) -> None:
    """Stripe counts some currencies in other units than ISO 4217; nothing is rounded on the way."""
    body = body_of("succeeded", currency=currency, amount_received="@").replace(b'"@"', given_amount.encode())
    if minor_units is not None:
        assert mapped(body)[0].amount_minor == minor_units
        return
    with pytest.raises(Unprocessable) as refused:
        mapped(body)
    assert [wrong.field for wrong in refused.value.wrong] == ["data.object.amount_received"]


def test_a_customer_without_a_plain_id_is_left_out() -> None:
    """Accounts are optional: one that the ledger can't hold is no reason to lose the payment."""
    for customer in (None, "", "a b", "é", "x" * 51, 7, {"id": "cus_1"}):
        assert not mapped(body_of("succeeded", customer=customer))[0].sender_account


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)
FIELDS = sorted({name for each in FILE.deliveries.values() for name in json.loads(each.body)["data"]["object"]})


@given(st.sampled_from(sorted(FILE.deliveries)), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_whatever_an_object_holds_is_mapped_or_unprocessable(name: str, changes: dict[str, object]) -> None:
    """Fields of any type and value give events that the ledger takes, or name what is wrong."""
    events: list[Event] = []
    with contextlib.suppress(Unprocessable):
        events = mapped(body_of(name, **changes))
    for event in events:
        assert event.tx_id or event.aliases
        assert event.kind in Kind
        assert event.amount_minor is None or 0 < event.amount_minor < 2**63
