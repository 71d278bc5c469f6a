"""Traffic as it really is: three providers, some deliveries again, some with a wrong signature."""

from __future__ import annotations

import json
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autopay_cli.recipes import samples
from bench import traffic
from bench.window import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from autopay_cli.recipes.signing import Request
    from bench import wrk
    from bench.server import Server

AGAIN_SHARE: Final = 0.10
FORGED_SHARE: Final = 0.05
# Sent again within some hundred others, as a provider does that missed an answer.
_RECENT: Final = 512
# Fit the key of both schemes; no two sources may have the same.
SECRETS: Final[Mapping[str, str]] = {"stripe": "0123456789abcdef" * 4, "standardwebhooks": "fedcba9876543210" * 4}
_SPARE: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request: as bytes, whether its signature is wrong, whether its payment is new."""

    raw: bytes
    forged: bool
    fresh: bool


class Mixture:
    """An endless mixture; one seed always gives the same payments."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self._native = traffic.Payments(seed)
        self._stripe, self._standard = (samples.load(name) for name in SECRETS)
        self._recent: deque[bytes] = deque(maxlen=_RECENT)

    def take(self, count: int, *, timestamp_s: int) -> Iterator[Sent]:
        """Yield `count` requests signed at a time; what is sent again is none that was signed before this call."""
        self._recent.clear()
        natives = self._native.take(count)
        for number in range(count):
            drawn = self._random.random()
            if drawn < AGAIN_SHARE and self._recent:
                yield Sent(raw=self._random.choice(self._recent), forged=False, fresh=False)
                continue
            raw = self._signed(number % 3, natives, timestamp_s)
            if drawn > 1 - FORGED_SHARE:
                yield Sent(raw=forged(raw), forged=True, fresh=False)
                continue
            self._recent.append(raw)
            yield Sent(raw=raw, forged=False, fresh=True)

    def _signed(self, turn: int, natives: Iterator[bytes], timestamp_s: int) -> bytes:
        if turn == 0:
            server = self._server
            return traffic.request(
                next(natives), secret=server.secret, timestamp_s=timestamp_s, host=server.host, path=server.path
            )
        token = f"{self._random.getrandbits(96):024x}"
        name = "stripe" if turn == 1 else "standardwebhooks"
        sample = self._stripe if turn == 1 else self._standard
        body = _stripe(sample.body, token) if turn == 1 else _standard(sample.body, token)
        return self._written(name, sample.recipe.sign(body, SECRETS[name], at=timestamp_s))

    def _written(self, name: str, request: Request) -> bytes:
        lines = (f"{header}: {value}\r\n" for header, value in request.headers)
        head = (
            f"POST /webhooks/{name} HTTP/1.1\r\nHost: {self._server.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(request.body)}\r\n{''.join(lines)}\r\n"
        )
        return head.encode() + request.body


def _stripe(body: bytes, token: str) -> bytes:
    event = json.loads(body)
    intent = event["data"]["object"]
    event["id"], intent["id"], intent["latest_charge"] = f"evt_{token}", f"pi_{token}", f"ch_{token}"
    return json.dumps(event, separators=(",", ":")).encode()


def _standard(body: bytes, token: str) -> bytes:
    event = json.loads(body)
    event["data"]["tx_id"] = f"pay-{token}"
    return json.dumps(event, separators=(",", ":")).encode()


def forged(raw: bytes) -> bytes:
    """Return a request whose body is another than the one signed, of the same length."""
    head, end, body = raw.partition(b"\r\n\r\n")
    return head + end + body[:-1] + b" "


class MixedSender(Sender):
    """Sends the mixture, and knows what has to become of what it sent."""

    def __init__(self, server: Server, *, scratch: Path, rate: float, seed: int) -> None:
        super().__init__(server, traffic.Payments(seed), scratch=scratch, rate=rate)
        self._mixture = Mixture(server, seed)
        self._prepared: list[tuple[bool, bool]] = []
        self.fresh = 0
        self.problems: list[str] = []

    def prepare(self, *, concurrency: int, duration_s: float) -> None:
        """Sign what a window may need."""
        count = int(self.rate * duration_s * _SPARE) + concurrency
        self._prepared = []
        traffic.write(self._raws(count), self.file)

    def _raws(self, count: int) -> Iterator[bytes]:
        for sent in self._mixture.take(count, timestamp_s=int(time.time())):
            self._prepared.append((sent.forged, sent.fresh))
            yield sent.raw

    def send(self, *, concurrency: int, duration_s: float) -> wrk.Reading:
        """Send it, and note where the answers are not those that were due."""
        reading = super().send(concurrency=concurrency, duration_s=duration_s)
        went = self._prepared[: reading.issued]
        self.fresh += sum(fresh for _, fresh in went)
        self.problems += unexpected(reading, sum(wrong for wrong, _ in went), cut_off_max=concurrency)
        return reading


def unexpected(reading: wrk.Reading, forged_count: int, *, cut_off_max: int) -> list[str]:
    """Say what differs from: every forged request refused, every other one accepted, some cut off at the end."""
    found = []
    if not forged_count - cut_off_max <= reading.failed <= forged_count:
        found.append(f"{forged_count} forged requests, {reading.failed} refused")
    if reading.socket_errors or reading.timeouts or reading.ran_out:
        found += [text for text in reading.complaints() if "answers of" not in text]
    return found


def environment() -> dict[str, str]:
    """Return the settings that switch the two other sources on."""
    return {f"WEBHOOK_SECRET_{name.upper()}": secret for name, secret in SECRETS.items()}
