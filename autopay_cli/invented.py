"""Invents a labelled history: an ordinary crowd with habits and whims, and four kinds of fraud put into it."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_DAY_S: Final = 86_400.0
_START_S: Final = 1_767_225_600.0
_SENDERS_PER_SHOP: Final = 4
# Fraud begins once there is a past to differ from.
_QUIET_SHARE: Final = 0.5
_WAKING_HOURS: Final = (7, 23)
KINDS: Final = ("burst", "drain", "fan-in", "structuring")


class Row(NamedTuple):
    """One payment of the history; `kind` is the fraud and its number, or empty."""

    time: float
    sender: str
    receiver: str
    amount: float
    label: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is invented.

    Attributes:
        seed: the same seed gives the same history.
        days: how long it is.
        senders: how many people pay.
        attacks: how many of each kind.
    """

    seed: int
    days: int = 60
    senders: int = 1_500
    attacks: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    name: str
    usual: float
    spread: float
    per_day: float
    shops: Sequence[str]


def invent(plan: Plan) -> list[Row]:
    """Return the history in the order of time."""
    draw = random.Random(plan.seed)  # noqa: S311 - invented people, no secret
    shops = [f"shop-{number}" for number in range(max(plan.senders // _SENDERS_PER_SHOP, 20))]
    people = [_person(number, shops, draw) for number in range(plan.senders)]
    rows = [row for person in people for row in _life(person, people, shops, plan.days, draw)]
    for kind, attack in (("burst", _burst), ("drain", _drain), ("fan-in", _fan_in), ("structuring", _structuring)):
        for number in range(plan.attacks):
            at_s = _START_S + plan.days * _DAY_S * draw.uniform(_QUIET_SHARE, 0.93)
            rows += [
                Row(each.time, each.sender, each.receiver, each.amount, 1, f"{kind}/{number}")
                for each in attack(at_s, people, draw)
            ]
    return sorted(rows)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the history as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows((f"{row.time:.3f}", row.sender, row.receiver, f"{row.amount:.2f}", *row[4:]) for row in rows)


def _person(number: int, shops: Sequence[str], draw: random.Random) -> _Person:
    return _Person(
        name=f"person-{number}",
        usual=draw.lognormvariate(3.5, 0.8),
        spread=draw.uniform(0.3, 0.7),
        per_day=draw.lognormvariate(0.0, 0.6),
        # Few shops have most of the custom.
        shops=[shops[int(len(shops) * draw.random() ** 2)] for _ in range(draw.randint(4, 12))],
    )


def _life(
    person: _Person, people: Sequence[_Person], shops: Sequence[str], days: int, draw: random.Random
) -> Iterator[Row]:
    """Yield a person's honest payments: habits, now and then a new shop, a large one, a friend, a spree."""
    for day in range(days):
        payments = int(draw.expovariate(1.0 / person.per_day) + draw.random())
        if draw.random() < 0.01:
            payments += draw.randint(3, 6)
        for _ in range(payments):
            at_s = _START_S + day * _DAY_S + draw.uniform(*_WAKING_HOURS) * 3_600
            whim = draw.random()
            receiver = draw.choice(person.shops)
            amount = _amount(person, draw)
            if whim < 0.04:
                receiver = draw.choice(shops)
            elif whim < 0.05:
                receiver = draw.choice(people).name
            elif whim < 0.06:
                amount *= draw.uniform(2.0, 5.0)
            if receiver != person.name:
                yield Row(at_s, person.name, receiver, amount, 0, "")


def _amount(person: _Person, draw: random.Random) -> float:
    return max(person.usual * math.exp(draw.gauss(0.0, person.spread)), 0.5)


def _burst(at_s: float, people: Sequence[_Person], draw: random.Random) -> Iterator[Row]:
    """A stolen card is used up: ordinary amounts in familiar shops, every few seconds."""
    person = draw.choice(people)
    for _ in range(draw.randint(14, 30)):
        at_s += draw.uniform(3, 25)
        yield Row(at_s, person.name, draw.choice(person.shops), _amount(person, draw), 1, "")


def _drain(at_s: float, people: Sequence[_Person], draw: random.Random) -> Iterator[Row]:
    """An account taken over: several large amounts to accounts it never paid, within two hours."""
    person = draw.choice(people)
    for number in range(draw.randint(4, 8)):
        at_s += draw.uniform(60, 1_500)
        receiver = f"mule-{person.name}-{number}"
        yield Row(at_s, person.name, receiver, person.usual * draw.uniform(3.0, 8.0), 1, "")


def _fan_in(at_s: float, people: Sequence[_Person], draw: random.Random) -> Iterator[Row]:
    """A mule collects: many people who never paid it do so within a day, ordinary amounts."""
    mule = draw.choice(people).name
    for person in draw.sample(people, draw.randint(15, 40)):
        if person.name != mule:
            yield Row(at_s + draw.uniform(0, 0.8 * _DAY_S), person.name, mule, _amount(person, draw), 1, "")


def _structuring(at_s: float, people: Sequence[_Person], draw: random.Random) -> Iterator[Row]:
    """A sum too large to be paid at once is split just below a limit, over days, to one account."""
    person = draw.choice(people)
    limit = draw.choice((500.0, 1_000.0, 5_000.0))
    for _ in range(draw.randint(6, 12)):
        at_s += draw.uniform(0.5, 10.0) * 3_600
        yield Row(at_s, person.name, f"holder-{person.name}", limit * draw.uniform(0.905, 0.999), 1, "")
