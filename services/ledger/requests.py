"""The rules of a Record request's fields, in the domain's terms."""

from __future__ import annotations

import re
from typing import Final

from mesh.errors import invalid
from services.ledger.currencies import exponent_of
from services.ledger.model import Event, EventKind

ITEMS_MAX: Final = 256
EVENTS_MAX: Final = 100
_ALIASES_MAX: Final = 16
_TEXT_MAX: Final = 200
_DESCRIPTION_MAX: Final = 500

_source = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII).fullmatch
_delivery_id = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII).fullmatch
_tx_id = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII).fullmatch
_account = re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII).fullmatch

_NEEDS_AMOUNT: Final = frozenset(
    {EventKind.AUTHORIZED, EventKind.CAPTURED, EventKind.REFUNDED, EventKind.DISPUTE_OPENED}
)


def check_source(source: str, field: str) -> None:
    """Refuse what is not a source's name."""
    if not _source(source):
        raise invalid(field, "must be 1 to 40 of a-z, 0-9, _ and -")


def check_delivery_id(delivery_id: str, field: str) -> None:
    """Refuse what is not a delivery id."""
    if not _delivery_id(delivery_id):
        raise invalid(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -")


def check_tx_id(tx_id: str, field: str) -> None:
    """Refuse what is not a payment's id."""
    if not _tx_id(tx_id):
        raise invalid(field, "must be 1 to 100 of A-Z, a-z, 0-9, _, ., : and -")


def check_event(event: Event) -> None:
    """Refuse an event with a wrong field.

    Raises:
        Fault: INVALID_FIELD naming the first wrong field, relative to the event.
    """
    if event.tx_id or not any(event.aliases):
        check_tx_id(event.tx_id, "tx_id")
    _check_money(event)
    _check_texts(event)


def _check_money(event: Event) -> None:
    if event.amount is None:
        if event.kind in _NEEDS_AMOUNT:
            raise invalid("amount", f"is required for {event.kind.name.lower()}")
        return
    if event.amount <= 0:
        raise invalid("amount.minor_units", "must be greater than 0")
    exponent = exponent_of(event.currency)
    if exponent is None:
        raise invalid("amount.currency", "must be an ISO 4217 code that has minor units")
    if event.exponent != exponent:
        raise invalid("amount.exponent", f"must be {exponent} for {event.currency}")


def _check_texts(event: Event) -> None:
    if event.sender and not _account(event.sender):
        raise invalid("sender_account", "must be 1 to 50 of A-Z, a-z, 0-9, _ and -")
    if event.receiver and not _account(event.receiver):
        raise invalid("receiver_account", "must be 1 to 50 of A-Z, a-z, 0-9, _ and -")
    if event.sender and event.sender == event.receiver:
        raise invalid("receiver_account", "must differ from sender_account")
    if len(event.event_id) > _TEXT_MAX or "\0" in event.event_id:
        raise invalid("event_id", f"must be at most {_TEXT_MAX} characters without NUL")
    if len(event.object_id) > _TEXT_MAX or "\0" in event.object_id:
        raise invalid("object_id", f"must be at most {_TEXT_MAX} characters without NUL")
    if len(event.description) > _DESCRIPTION_MAX or "\0" in event.description:
        raise invalid("description", f"must be at most {_DESCRIPTION_MAX} characters without NUL")
    if event.time_ms < 0 or event.time_ms > 253_402_300_799_999:  # noqa: PLR2004 - the end of year 9999
        raise invalid("event_time_ms", "must be from 0 to the year 9999")
    if len(event.aliases) > _ALIASES_MAX or any(len(alias) > _TEXT_MAX or "\0" in alias for alias in event.aliases):
        raise invalid("aliases", f"must be at most {_ALIASES_MAX} of at most {_TEXT_MAX} characters without NUL")
