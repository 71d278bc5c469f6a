"""Maps one body, and tells what is wrong with another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from providers.contract import Event, Provider, Unprocessable
from services.ledger.model import Payment
from tests.conformance.folding import Book


def only_event(provider: Provider, body: bytes) -> Event:
    """The one event of a body."""
    (event,) = provider.map(body, {})
    return event


def wrong_fields(provider: Provider, body: bytes) -> set[str]:
    """The names of what is wrong with a body."""
    with pytest.raises(Unprocessable) as refused:
        provider.map(body, {})
    return {each.field for each in refused.value.wrong}


def folded(provider: Provider, bodies: Sequence[bytes]) -> Payment:
    """The one payment that some bodies end in."""
    book = Book()
    for body in bodies:
        book.record(provider.map(body, {}))
    (payment,) = book.payments.values()
    return payment
