"""Fresh payments from a heavy-tailed population, signed ahead of time so that the sender costs nothing."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SENDERS = 50_000
RECEIVERS = 5_000
_CHUNK = 4_096
_CURRENCIES = ("USD", "EUR", "GBP", "CHF")
_CURRENCY_SHARES = (55, 30, 10, 5)
_STATUSES = ("success", "pending", "failed")
_STATUS_SHARES = (90, 7, 3)
_DESCRIPTIONS = ("", "", "Monthly subscription", "Order 4711, two items", "Invoice for consulting services")


def zipf_weights(population: int) -> list[float]:
    """Return cumulative Zipf (s = 1) weights: the k-th account is seen 1/k as often as the first."""
    return list(itertools.accumulate(1 / rank for rank in range(1, population + 1)))


class Supply(Protocol):
    """Where bodies come from."""

    def take(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bodies."""


class Payments:
    """An endless supply of payments, none twice; one seed always gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # not for secrets: the point is that it repeats
        self._sender_weights = zipf_weights(SENDERS)
        self._receiver_weights = zipf_weights(RECEIVERS)

    def take(self, count: int) -> Iterator[bytes]:
        """Yield `count` fresh JSON bodies, holding only a few thousand in memory."""
        while count > 0:
            yield from self._chunk(min(count, _CHUNK))
            count -= _CHUNK

    def census(self) -> Iterator[bytes]:
        """Yield a payment by every sender, to every receiver in turn: what is kept for each account then is."""
        for sender in range(SENDERS):
            yield self._body(sender, sender % RECEIVERS, _CURRENCIES[0], _STATUSES[0], "")

    def _chunk(self, count: int) -> Iterator[bytes]:
        pick = self._random.choices
        columns = zip(
            pick(range(SENDERS), cum_weights=self._sender_weights, k=count),
            pick(range(RECEIVERS), cum_weights=self._receiver_weights, k=count),
            pick(_CURRENCIES, _CURRENCY_SHARES, k=count),
            pick(_STATUSES, _STATUS_SHARES, k=count),
            pick(_DESCRIPTIONS, k=count),
            strict=True,
        )
        for column in columns:
            yield self._body(*column)

    def _body(self, sender: int, receiver: int, currency: str, status: str, description: str) -> bytes:
        # Random ids, as providers send them: ascending ones would flatter every index.
        tx_id = f"tx_{self._random.getrandbits(96):024x}"
        cents = min(int(self._random.lognormvariate(8.0, 1.2)) + 50, 50_000_000)
        note = f',"description":"{description}"' if description else ""
        return (
            f'{{"tx_id":"{tx_id}","amount":{cents // 100}.{cents % 100:02d},"currency":"{currency}",'
            f'"sender_account":"acct_s{sender:05d}","receiver_account":"acct_r{receiver:04d}",'
            f'"status":"{status}"{note}}}'
        ).encode()


class Same:
    """One payment, over and over."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def take(self, count: int) -> Iterator[bytes]:
        """Yield the one body `count` times."""
        return itertools.repeat(self._body, count)


def sign(body: bytes, *, secret: bytes, timestamp_s: int) -> str:
    """Sign as the native source does: hex HMAC-SHA256 over `{timestamp}.` and the exact body."""
    return hmac.digest(secret, b"%d." % timestamp_s + body, hashlib.sha256).hex()


def request(body: bytes, *, secret: bytes, timestamp_s: int, host: str, path: str) -> bytes:
    """Return one whole HTTP/1.1 request, ready to be written to a socket."""
    signature = sign(body, secret=secret, timestamp_s=timestamp_s)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Timestamp: {timestamp_s}\r\nX-Signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


def write(requests: Iterable[bytes], file: Path) -> int:
    """Write requests, each behind its length in six digits, and return how many there were."""
    written = 0
    with file.open("wb", buffering=1 << 20) as out:
        for written, raw in enumerate(requests, start=1):  # noqa: B007 - the last index is the count
            out.write(b"%06d" % len(raw))
            out.write(raw)
    return written
