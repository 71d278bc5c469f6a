"""The rules of the fields of requests that read, in the domain's terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mesh.errors import Fault, Kind, invalid
from services.ledger.currencies import exponent_of
from services.ledger.model import Status
from services.ledger.read_ports import PaymentFilter, RiskLevel
from services.ledger.requests import check_source, check_tx_id
from services.ledger.summarizing import DIMENSIONS_MAX, RANGE_DAYS_MAX, Dimension

NAMES_MAX: Final = 1_000
PAGE_ROWS_MAX: Final = 1_000
PAGE_ROWS_DEFAULT: Final = 50
HEARTBEAT_MS_MIN: Final = 1_000
HEARTBEAT_MS_MAX: Final = 60_000
HEARTBEAT_MS_DEFAULT: Final = 15_000
WAIT_MS_MAX: Final = 10_000
# The end of year 9999.
TIME_MS_MAX: Final = 253_402_300_799_999
_DAY_MS: Final = 86_400_000

_reader = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII).fullmatch
_account = re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII).fullmatch


def check_name(source: str, tx_id: str, field: str = "") -> None:
    """Refuse what is no payment's name.

    Raises:
        Fault: INVALID_FIELD naming the field below `field`.
    """
    check_source(source, f"{field}source")
    check_tx_id(tx_id, f"{field}tx_id")


def check_reader(reader: str, field: str) -> None:
    """Refuse what is not the name of whom a caller asks for; it may have none."""
    if reader and not _reader(reader):
        raise invalid(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -, or empty")


def check_account(account: str, field: str) -> None:
    """Refuse what is not an account."""
    if not _account(account):
        raise invalid(field, "must be 1 to 50 of A-Z, a-z, 0-9, _ and -")


def check_text(text: str, most: int, field: str) -> None:
    """Refuse what is not text that a person wrote: nothing but blanks, too long, or with a NUL."""
    if not text.strip() or len(text) > most or "\0" in text:
        raise invalid(field, f"must be 1 to {most} characters without NUL")


def check_currency(currency: str, field: str) -> None:
    """Refuse what is not a currency with minor units."""
    if exponent_of(currency) is None:
        raise invalid(field, "must be an ISO 4217 code that has minor units")


def check_range(value: int, least: int, most: int, field: str) -> None:
    """Refuse a number outside its range, both ends included."""
    if not least <= value <= most:
        raise invalid(field, f"must be {least:,} to {most:,}")


def check_times(since_ms: int, until_ms: int) -> None:
    """Refuse times outside the calendar, and a range that ends before it begins."""
    check_range(since_ms, 0, TIME_MS_MAX, "recorded_since_ms")
    check_range(until_ms, 0, TIME_MS_MAX, "recorded_until_ms")
    if until_ms and until_ms <= since_ms:
        raise invalid("recorded_until_ms", "must be later than recorded_since_ms")


def check_summary_times(since_ms: int, until_ms: int) -> None:
    """Refuse a range of time without both ends, or one that is too long."""
    check_range(since_ms, 1, TIME_MS_MAX, "recorded_since_ms")
    check_range(until_ms, 1, TIME_MS_MAX, "recorded_until_ms")
    if not 0 < until_ms - since_ms <= RANGE_DAYS_MAX * _DAY_MS:
        raise invalid("recorded_until_ms", f"must be later than recorded_since_ms, by at most {RANGE_DAYS_MAX} days")


def dimensions_of(numbers: Sequence[int]) -> tuple[Dimension, ...]:
    """Return the dimensions to group by.

    Raises:
        Fault: INVALID_FIELD naming the wrong one.
    """
    for place, number in enumerate(numbers):
        if number not in _DIMENSIONS:
            raise invalid(f"group_by[{place}]", "must be one of SummaryGroup")
        if number in numbers[:place]:
            raise invalid(f"group_by[{place}]", "is there already")
    chosen = tuple(_DIMENSIONS[number] for number in numbers)
    if not chosen or len(set(chosen) - {Dimension.CURRENCY}) > DIMENSIONS_MAX:
        raise invalid("group_by", f"must hold 1 to {DIMENSIONS_MAX} dimensions besides the currency")
    return chosen


def status_of(number: int, field: str) -> Status | None:
    """Return a status, None for 0, which means any."""
    if number not in _STATUSES:
        raise invalid(field, "must be one of PaymentStatus")
    return _STATUSES[number]


def risk_level_of(number: int, field: str) -> RiskLevel | None:
    """Return a risk level, None for 0, which means any."""
    if number not in _LEVELS:
        raise invalid(field, "must be one of RiskLevel")
    return _LEVELS[number]


def filter_of(
    *, source: str, status: int, currency: str, amount_min: int, amount_max: int, risk_level: int
) -> PaymentFilter:
    """Return a checked filter.

    Raises:
        Fault: INVALID_FIELD naming the first wrong field.
    """
    if source:
        check_source(source, "filter.source")
    if currency:
        check_currency(currency, "filter.currency")
    if amount_min < 0:
        raise invalid("filter.amount_min", "must not be negative")
    if amount_max < 0 or (amount_max and amount_max < amount_min):
        raise invalid("filter.amount_max", "must be 0 or at least amount_min")
    if (amount_min or amount_max) and not currency:
        raise invalid("filter.currency", "is required with a range of amounts")
    return PaymentFilter(
        source=source,
        status=status_of(status, "filter.status"),
        currency=currency,
        amount_min=amount_min,
        amount_max=amount_max,
        risk_level=risk_level_of(risk_level, "filter.risk_level"),
    )


def too_large(field: str, count: int, most: int) -> Fault:
    """Return the fault of a list that is too long."""
    return Fault(
        kind=Kind.OUT_OF_RANGE,
        reason="TOO_LARGE",
        message=f"{field}: holds {count}, the most is {most}",
        metadata={"limit": str(most)},
    )


_DIMENSIONS: Final = {int(dimension): dimension for dimension in Dimension}
_STATUSES: Final = {0: None} | {int(status): status for status in Status}
_LEVELS: Final = {0: None} | {int(level): level for level in RiskLevel}
