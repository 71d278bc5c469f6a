"""The rules of what a Record item carries beside its facts: the delivery as it came, and the risk of an event.

Without them a few items could make a page of deliveries, or a batch of tasks, larger than any message may be: nobody
could read it, and it would come back for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mesh.errors import Fault, invalid
from services.ledger.model import Delivery

_BODY_BYTES_MAX: Final = 262_144
_HEADERS_MAX: Final = 32
_HEADERS_BYTES_MAX: Final = 65_536
_NAME_MAX: Final = 200
_SENTENCE_MAX: Final = 500
_REASONS_MAX: Final = 32
_EVIDENCE_MAX: Final = 32
# The end of year 9999.
_TIME_MS_MAX: Final = 253_402_300_799_999


def check_delivery(delivery: Delivery) -> None:
    """Refuse a delivery with a wrong field.

    Raises:
        Fault: INVALID_FIELD naming the first wrong field, relative to the item.
    """
    if len(delivery.body) > _BODY_BYTES_MAX:
        raise invalid("delivery.body", f"must be at most {_BODY_BYTES_MAX} bytes")
    if len(delivery.headers) > _HEADERS_MAX:
        raise invalid("delivery.headers", f"must be at most {_HEADERS_MAX}")
    size = 0
    for place, (name, value) in enumerate(delivery.headers):
        if len(name) > _NAME_MAX or "\0" in name:
            raise _too_long(f"delivery.headers[{place}].name")
        size += len(name) + len(value)
    if size > _HEADERS_BYTES_MAX:
        raise invalid("delivery.headers", f"must be at most {_HEADERS_BYTES_MAX} bytes together")
    _check_short(delivery.provider, "delivery.provider")
    _check_short(delivery.key_id, "delivery.key_id")
    check_traceparent(delivery.traceparent, "delivery.traceparent")
    _check_time(delivery.received_at_ms, "delivery.received_at_ms")
    _check_time(delivery.signed_at_ms, "delivery.signed_at_ms")


def check_traceparent(traceparent: str, field: str) -> None:
    """Refuse what is too long to be one; what is none is ignored where it would be used."""
    _check_short(traceparent, field)


def check_risk(risk: Mapping[str, Any]) -> None:
    """Refuse a risk, as it is going to be stored, with a wrong field.

    Raises:
        Fault: INVALID_FIELD naming the first wrong field, relative to the event.
    """
    # Said this way round, what is not a number is refused too.
    if not 0 <= risk["score"] <= 1:
        raise invalid("risk.score", "must be 0 to 1")
    _check_short(risk["model_version"], "risk.model_version")
    if len(risk["reasons"]) > _REASONS_MAX:
        raise invalid("risk.reasons", f"must be at most {_REASONS_MAX}")
    for place, reason in enumerate(risk["reasons"]):
        evidence = reason["evidence"]
        if not _is_short(reason["code"]):
            raise _too_long(f"risk.reasons[{place}].code")
        if len(reason["sentence"]) > _SENTENCE_MAX:
            raise invalid(f"risk.reasons[{place}].sentence", f"must be at most {_SENTENCE_MAX} characters")
        if len(evidence) > _EVIDENCE_MAX:
            raise invalid(f"risk.reasons[{place}].evidence", f"must be at most {_EVIDENCE_MAX}")
        if not all(_is_short(name) and _is_short(value) for name, value in evidence.items()):
            raise _too_long(f"risk.reasons[{place}].evidence")


def _check_short(text: str, field: str) -> None:
    if len(text) > _NAME_MAX or "\0" in text:
        raise _too_long(field)


def _is_short(text: str) -> bool:
    return len(text) <= _NAME_MAX and "\0" not in text


def _too_long(field: str) -> Fault:
    return invalid(field, f"must be at most {_NAME_MAX} characters without NUL")


def _check_time(time_ms: int, field: str) -> None:
    if not 0 <= time_ms <= _TIME_MS_MAX:
        raise invalid(field, "must be from 0 to the year 9999")
