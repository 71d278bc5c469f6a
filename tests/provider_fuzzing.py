"""Deliveries made from the vectors files: signed as their provider signs, with bodies and headers gone wrong."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from msgspec.structs import replace as replace_struct

from autopay_cli.recipes.signing import Request
from mesh.errors import Fault
from providers.contract import Refused, Unprocessable
from tests.conformance import vectors
from tests.conformance.folding import fact_of
from tests.conformance.vectors import Vectors
from tests.conformance.verifying import verify

_HOLE: Final = "@hole@"
# Values as they are written, so that they may be what no JSON library would write.
_TOKENS: Final = (
    *("null", "true", "false", "0", "-0", "1", "-1", "1.0", "1e3", "1E-2", "1e400", "0.000000000000000000001"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "9" * 400, "-9223372036854775808", "1_000"),
    *('""', '" "', '"0"', '"0.00"', '"-5"', '"1,00"', '"1e2"', '"10.505"', '"NaN"', '"\\u0000"', '"\\ud800"', '"é"'),
    *('"EUR"', '"eur"', '"JPY"', '"KWD"', '"XXX"', '"ISK"', '"succeeded"', '"failed"', '"true"', '"a b"', '"a:b"'),
    *('"1970-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999+14:00"', '"2026-13-01T00:00:00Z"', '"<b>x</b>"'),
    *("[]", "{}", "[[]]", '[{"id":"x"}]', '{"id":1,"id":2}', '{"id":"x"}', "NaN", "-Infinity", "tru", "", '"'),
    *(f'"{"x" * length}"' for length in (50, 51, 100, 101, 200, 201, 501, 5_000)),
    *("[" * 2_000, '{"a":' * 2_000, f"[{'0,' * 500}0]"),
)
_TIMES: Final = (
    "",
    "0",
    "1_700_000_000",
    "\uff11\uff17",
    "-1",
    "9" * 13,
    "1700000000.0",
    "1e9",
    "2026-01-01T00:00:00Z",
)
_REPORTED_MAX: Final = 5


class Chance(Protocol):
    """What decides: a generator of random numbers, or a fuzzer that learns which decisions lead on."""

    def below(self, limit: int) -> int:
        """Return a number from 0 to below the limit."""

    def data(self, most: int) -> bytes:
        """Return some bytes."""


class RandomChance:
    """The same decisions for the same seed."""

    def __init__(self, seed: int) -> None:
        """Begin."""
        self._random = random.Random(seed)

    def below(self, limit: int) -> int:
        """Return a number from 0 to below the limit."""
        return self._random.randrange(limit)

    def data(self, most: int) -> bytes:
        """Return some bytes."""
        return self._random.randbytes(self._random.randrange(most + 1))


def request_of(file: Vectors, chance: Chance) -> Request:
    """Return a request: of ten, six are signed as they should be, whatever they hold; the others are not."""
    kind = chance.below(10)
    delivery = _one_of(chance, list(file.deliveries.values()))
    body = delivery.body if kind in {0, 6, 7} else _mutated(chance, delivery.body)
    secret = file.secrets.current.value
    if kind <= 5:
        request = file.recipe.sign(body, secret)
        for name, value in delivery.unsigned:
            request = request.having(name, value)
        return request
    return _ALTERED[kind - 6](file, chance, file.recipe.sign(body, secret))


def judged(file: Vectors, request: Request) -> str:
    """Verify and map as edge and ingest do, and return what became of the request.

    Raises:
        AssertionError: it verified, and maps to what the ledger would refuse.
    """
    try:
        verified = verify(file.provider, request, (file.secrets.current,))
    except Refused:
        return "refused"
    try:
        events = vectors.mapped(file.provider, verified, request.lookup)
    except Unprocessable as unprocessable:
        return "unprocessable" if unprocessable.wrong else "wrong"
    for event in events:
        assert event.tx_id or event.aliases, "an event of no payment"
        try:
            fact_of(event if event.tx_id else replace_struct(event, tx_id="resolved"))
        except Fault as fault:
            raise AssertionError(f"the ledger refuses an event: {fault.message}") from fault
    return "mapped" if events else "ignored"


@dataclass(slots=True)
class Run:
    """What came of a run."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def case(self, file: Vectors, chance: Chance) -> None:
        """Make one request and judge it; anything but an answer is kept as wrong."""
        request = request_of(file, chance)
        started_s = time.thread_time()
        try:
            outcome = judged(file, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            outcome = "wrong"
            if len(self.wrong) < _REPORTED_MAX:
                self.wrong.append(f"{file.name}: {error!r}: {request.headers!r} {request.body[:400]!r}")
        if outcome == "wrong" and not self.wrong:
            self.wrong.append(f"{file.name}: unprocessable, and nothing is named as wrong: {request.body[:400]!r}")
        self.slowest_s = max(self.slowest_s, time.thread_time() - started_s)
        self.outcomes.setdefault(file.name, Counter())[outcome] += 1

    @property
    def share(self) -> float:
        """The share of the requests that verified."""
        return min(self.share_of(name) for name in self.outcomes) if self.outcomes else 0.0

    def share_of(self, name: str) -> float:
        """The share of one file's requests that verified."""
        outcomes = self.outcomes[name]
        return 1 - outcomes["refused"] / outcomes.total()

    def report(self) -> str:
        """Return a line per file."""
        lines = [f"{name}: {self.share_of(name):.0%} verified {dict(each)}" for name, each in self.outcomes.items()]
        return "\n".join([*lines, f"slowest: {self.slowest_s * 1e3:.1f} ms of CPU"])


def run(cases: int, *, seed: int) -> Run:
    """Judge so many requests, of every provider in turn."""
    files, chance, result = [vectors.load(name) for name in vectors.names()], RandomChance(seed), Run()
    for number in range(cases):
        result.case(files[number % len(files)], chance)
    return result


def _one_of(chance: Chance, items: Sequence[Any]) -> Any:
    return items[chance.below(len(items))]


def _mutated(chance: Chance, body: bytes) -> bytes:
    """Return a body with one to three of its values written otherwise, left out or doubled; or other bytes."""
    try:
        root = json.loads(body)
    except ValueError:
        return body + chance.data(20)
    if chance.below(12) == 0:
        place = chance.below(len(body))
        return body[:place] + chance.data(4) + body[place + chance.below(3) :]
    tokens: list[str] = []
    for _ in range(1 + chance.below(3)):
        places = _places(root)
        if not places:
            break
        holder, key = _one_of(chance, places)
        change = chance.below(6)
        if change == 0 and isinstance(holder, dict):
            del holder[key]
        elif change == 1 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = f"{_HOLE}{len(tokens)}"
            tokens.append(
                _one_of(chance, _TOKENS) if chance.below(8) else json.dumps(chance.data(12).decode("latin-1"))
            )
    text = json.dumps(root, separators=(",", ":"), ensure_ascii=False)
    for number, token in enumerate(tokens):
        text = text.replace(f'"{_HOLE}{number}"', token)
    return text.encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON value, as its container and key."""
    keys: Sequence[Any] = (
        list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    places = [(value, key) for key in keys]
    for key in keys:
        places += _places(value[key])
    return places


def _flipped(file: Vectors, chance: Chance, request: Request) -> Request:
    count = file.recipe.flips(request)
    return (file.recipe.flip(request, chance.below(count)) if count else None) or request


def _rebodied(file: Vectors, chance: Chance, request: Request) -> Request:
    del file
    place = chance.below(len(request.body) + 1)
    return replace(request, body=request.body[:place] + chance.data(8) + request.body[place + chance.below(4) :])


def _reheaded(file: Vectors, chance: Chance, request: Request) -> Request:
    """Change the values of a header: none, other bytes, a time that is none, a piece, or what was there twice."""
    if not file.recipe.headers:
        return replace(request, body=chance.data(200))
    name = _one_of(chance, file.recipe.headers)
    value = request.value(name)
    values: Sequence[Sequence[str]] = (
        (),
        ("",),
        (value, value),
        (chance.data(80).decode("utf-8", "surrogateescape"),),
        (_one_of(chance, _TIMES),),
        (value[: chance.below(len(value) + 1)],),
        (f"{value},{value}",),
        (value.upper(),),
        ("A" * (1 + chance.below(6_000)),),
    )
    return request.having(name, *_one_of(chance, values))


def _nonsense(file: Vectors, chance: Chance, request: Request) -> Request:
    headers = tuple((name, chance.data(60).decode("utf-8", "surrogateescape")) for name in file.recipe.headers)
    return Request(body=chance.data(300), headers=headers, chain=request.chain or chance.data(200))


_ALTERED: Final[Sequence[Callable[[Vectors, Chance, Request], Request]]] = (_flipped, _rebodied, _reheaded, _nonsense)
