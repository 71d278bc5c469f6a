"""Native bodies, right and wrong, and what is made of them."""

from __future__ import annotations

import json

import pytest

from providers.autopay import PROVIDER
from providers.contract import Event, Unprocessable

TYPICAL: dict[str, object] = {
    "tx_id": "T-1",
    "amount": 10.5,
    "currency": "EUR",
    "sender_account": "alice-1",
    "receiver_account": "bob_2",
}


def mapped(body: bytes) -> Event:
    """The one event of a body."""
    (event,) = PROVIDER.map(body, {})
    return event


def body_with(**changes: object) -> bytes:
    """A typical body with some fields changed; None leaves one out."""
    fields = {**TYPICAL, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def body_with_token(field: str, token: str) -> bytes:
    """A typical body with a field's value written exactly so."""
    return body_with(**{field: "@"}).replace(b'"@"', token.encode("utf-8", "surrogatepass"))


def wrong(body: bytes) -> dict[str, str]:
    """What is wrong with a body, by field."""
    with pytest.raises(Unprocessable) as refused:
        PROVIDER.map(body, {})
    return {each.field: each.description for each in refused.value.wrong}
