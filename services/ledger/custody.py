"""Custody of raw bytes: one account's are erased when that is asked for, all are sealed under the newest key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mesh import callers
from mesh.errors import Fault, Kind
from services.ledger.auditing import Action, Auditor
from services.ledger.model import NotDurable
from services.ledger.read_ports import SelectBy
from services.ledger.reading import ListQuery, Reader

# Each payment has a delivery per event and one per repeat with other bytes: a page has to end in time.
_PAGE_PAYMENTS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many deliveries lost their bytes, and the ids of those that wait to be run again and keep them."""

    count: int
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """What became of the deliveries looked at.

    Attributes:
        examined: how many those were.
        resealed: how many were encrypted, or had their data key wrapped anew.
        unopenable: how many are under a key that is not listed.
        key_id: the key that the others are under now.
        last_id: the last one's id, empty when there are no more.
    """

    examined: int
    resealed: int
    unopenable: int
    key_id: str
    last_id: str


class RawBytes(Protocol):
    """The stored bytes of deliveries."""

    async def erase(self, payment_ids: Sequence[str], *, at_ms: int) -> Erased:
        """Remove bytes and headers of what led to these payments, unless it waits to be run through ingest again.

        Raises:
            NotDurable: whether they are gone is unknown; erasing again is harmless.
        """

    async def reseal(self, *, after_id: str, count_max: int) -> Resealed:
        """Have the next deliveries in the order of their ids under the first key.

        Raises:
            NotDurable: how far it came is unknown; doing it again is harmless.
            Unkeyed: there is no key.
        """


class Unkeyed(Exception):  # noqa: N818 - a state of the settings, not a bug
    """No key is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPage:
    """What one page of an account's payments led to; an empty token means it was the last."""

    payments: int
    erased: Erased
    next_token: str


class Custodian:
    """Erases and reseals."""

    def __init__(self, raw: RawBytes, reader: Reader, auditor: Auditor, *, clock_ms: Callable[[], int]) -> None:
        """Find payments through `reader`, change what `raw` holds of them, and have `auditor` note each erasure."""
        self._raw = raw
        self._reader = reader
        self._auditor = auditor
        self._clock_ms = clock_ms

    async def erase(self, account: str, *, author: str, note: str, token: str) -> ErasedPage:
        """Erase what led to the next payments of an account, newest first; nothing unless it can be audited.

        Raises:
            Fault: INVALID, the token is of another account; FORBIDDEN, a payment is of a source that the caller may
                not write; UNAVAILABLE, storage can't be reached.
        """
        query = ListQuery(by=(SelectBy.SENDER, SelectBy.RECEIVER), value=account, page_rows=_PAGE_PAYMENTS)
        page = await self._reader.page(query, token)
        payments = [found.payment for found in page.rows]
        for source in {payment.source for payment in payments}:
            callers.current().demand(source)
        ids = [payment.id for payment in payments]
        await self._auditor.note(Action.ERASE_DELIVERIES, ids, account=account, author=author, note=note)
        try:
            erased = await self._raw.erase(ids, at_ms=self._clock_ms())
        except NotDurable as error:
            raise _not_durable() from error
        return ErasedPage(payments=len(ids), erased=erased, next_token=page.next_token)

    async def reseal(self, *, after_id: str, count_max: int) -> Resealed:
        """Have the next deliveries under the first key.

        Raises:
            Fault: CONFLICT with reason KEY_MISSING, there is no key; UNAVAILABLE, storage can't be reached.
        """
        try:
            return await self._raw.reseal(after_id=after_id, count_max=count_max)
        except NotDurable as error:
            raise _not_durable() from error
        except Unkeyed:
            raise Fault(
                kind=Kind.CONFLICT,
                reason="KEY_MISSING",
                message="This ledger has no key to encrypt with: list one in LEDGER_BODY_KEYS.",
            ) from None


def _not_durable() -> Fault:
    return Fault(
        kind=Kind.UNAVAILABLE,
        reason="NOT_DURABLE",
        message="How far it came is unknown; send the same request again, it does no harm.",
        metadata={"dependency": "mongodb"},
        retry_after_s=1.0,
    )
