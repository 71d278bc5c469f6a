"""Adyen's deliveries: signed by its own library, every item by itself, and divided in one way only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from Adyen.util import generate_notification_sig, is_valid_hmac_notification

from providers.adyen import PROVIDER
from providers.contract import Acknowledgement, Kind, Options, Refused, Secret, Unprocessable
from tests.conformance import vectors
from tests.unit.providers.signing import NOW_S, WINDOW, headers

KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
SECRET = Secret("webhook", KEY)
FILE = vectors.load("adyen")
ITEM: dict[str, Any] = {
    "amount": {"currency": "EUR", "value": 1130},
    "eventCode": "AUTHORISATION",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "order:7, für uns",
    "pspReference": "7914073381342284",
    "success": "true",
}


def signed(**changes: Any) -> dict[str, Any]:
    """An item with fields changed (None leaves one out), signed by the library."""
    item = {name: value for name, value in {**ITEM, **changes}.items() if value is not None}
    return {**item, "additionalData": {"hmacSignature": generate_notification_sig(item, KEY).decode()}}


def body_of(*items: object) -> bytes:
    """A batch."""
    return json.dumps({"notificationItems": [{"NotificationRequestItem": item} for item in items]}).encode()


def key_id(body: bytes, *secrets: Secret) -> str:
    """Which key verifies a body."""
    given = secrets or (SECRET,)
    return PROVIDER.verify(body, headers(), given, now_s=NOW_S, window=WINDOW).key_id


def refused(body: bytes) -> str:
    """Why a body is refused."""
    with pytest.raises(Refused) as refusal:
        key_id(body)
    return refusal.value.reason


def test_what_the_library_signs_is_accepted_and_the_reverse() -> None:
    """Items by the library verify, and the library accepts what the vectors are signed with."""
    assert key_id(body_of(signed(), signed(eventCode="CAPTURE", originalReference="7914073381342284"))) == "webhook"
    request = FILE.signed(FILE.first)
    assert is_valid_hmac_notification(json.loads(request.body), FILE.secrets.current.value)


def test_adyen_is_told_that_its_items_were_accepted() -> None:
    """Anything else makes it stop and send the whole queue again."""
    assert PROVIDER.acknowledgement == Acknowledgement(b"[accepted]", "text/plain")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_item_is_verified(place: int) -> None:
    """One bad item refuses the batch, wherever it stands."""
    good = [signed(pspReference=f"PSP{number}") for number in range(3)]
    assert key_id(body_of(*good)) == "webhook"
    changes: list[dict[str, Any]] = [
        {"success": "false"},
        {"amount": {"currency": "EUR", "value": 1}},
        {"additionalData": {}},
    ]
    others: list[object] = [None, {}, [], "item", 7, *({**good[place], **change} for change in changes)]
    for other in others:
        items: list[object] = [*good]
        items[place] = other
        assert refused(body_of(*items)) == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"notificationItems": []}',
        b'{"notificationItems": {}}',
        b'{"notificationItems": [[]]}',
        b'{"notificationItems": [{}]}',
    ],
)
def test_a_batch_of_nothing_is_refused(body: bytes) -> None:
    """Nothing in it is signed."""
    assert refused(body) == "SIGNATURE_INVALID"


def test_a_field_that_is_there_twice_is_refused() -> None:
    """The second success would be another than the signed one to another parser."""
    text = body_of(signed()).decode()
    assert key_id(text.encode()) == "webhook"
    assert refused(text.replace('"success"', '"success": "false", "success"').encode()) == "SIGNATURE_INVALID"


def test_signed_text_is_divided_in_one_way() -> None:
    """Fields are joined by colons: only the merchant's own reference may hold one."""
    whole = signed(merchantReference="ref:100:EUR")
    shifted = {**whole, "merchantAccountCode": "TestMerchant:ref", "merchantReference": "100:EUR"}
    assert key_id(body_of(whole)) == "webhook"
    assert refused(body_of(shifted)) == "SIGNATURE_INVALID"
    moved = {**whole, "originalReference": "", "pspReference": "7914073381342284:"}
    assert refused(body_of(moved)) == "SIGNATURE_INVALID"


@pytest.mark.parametrize("field", ["reason", "eventDate", "paymentMethod", "operations", "additionalData"])
def test_what_is_not_signed_moves_nothing(field: str) -> None:
    """An item with other unsigned fields is the same fact: only the time, a hint, may differ."""
    (event,) = PROVIDER.map(body_of(signed()), {})
    for value in ("CHARGEBACK", ["x"], {"success": "false", "value": 1}, 7):
        (other,) = PROVIDER.map(body_of({**signed(), field: value}), {})
        assert other == event
        assert not other.event_time_signed


def test_the_key_is_hexadecimal() -> None:
    """In either case of letters; what is no hexadecimal verifies nothing."""
    body = body_of(signed())
    assert key_id(body, Secret("lower", KEY.lower())) == "lower"
    for value in ("", "x", KEY[:-1], KEY + "FF", f"0x{KEY}"):
        with pytest.raises(Refused):
            key_id(body, Secret("wrong", value))


def test_automatic_capture_is_said_by_the_source() -> None:
    """Where Adyen captures by itself it sends no capture: the authorisation is both."""
    automatic = PROVIDER.configured(Options(table={"automatic_capture": True}))
    authorized, captured = automatic.map(body_of(signed()), {})
    assert [event.kind for event in (authorized, captured)] == [Kind.AUTHORIZED, Kind.CAPTURED]
    assert captured.amount_minor == authorized.amount_minor == 1130
    assert captured.event_id != authorized.event_id
    (failed,) = automatic.map(body_of(signed(success="false")), {})
    assert failed.kind is Kind.FAILED
    with pytest.raises(ValueError, match="automatic_capture"):
        PROVIDER.configured(Options(table={"automatic_capture": "yes"}))


def test_a_batch_has_an_end() -> None:
    """More items than the ledger takes of one delivery are kept for a person."""
    items = [signed(pspReference=f"PSP{number}") for number in range(51)]
    assert len(PROVIDER.map(body_of(*items[:50]), {})) == 50
    with pytest.raises(Unprocessable):
        PROVIDER.map(body_of(*items), {})
