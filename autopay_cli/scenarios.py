"""What a mock sender sends: cases of one or more deliveries, each with the outcome it must get."""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from autopay_cli import signing

if TYPE_CHECKING:
    from autopay_cli.recipes.signing import Request

_CURRENCIES: Final = (("EUR", 2), ("USD", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3))
_SENDERS: Final = 50_000
_RECEIVERS: Final = 5_000
# Above the longest replay window that can be configured, a day.
STALE_S: Final = 172_800
# The first of two deliveries is dated a little back, so that signing again gives another signature.
EARLIER_S: Final = 2


class Scenario(StrEnum):
    """What is wrong, or not, with a case's deliveries."""

    VALID = "valid"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    BAD_SIGNATURE = "bad-signature"
    STALE = "stale"
    MALFORMED = "malformed"
    BURST = "burst"
    # A payment from its beginning to its end.
    LIFE = "life"


class Signature(StrEnum):
    """How a delivery is signed."""

    RIGHT = "right"
    # The very headers of the delivery before it.
    REPEATED = "repeated"
    WRONG_SECRET = "wrong secret"  # noqa: S105 - a name, not a secret
    OTHER_BODY = "other body"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request to send.

    Attributes:
        body: the exact bytes.
        expected: HTTP status and the word in the answer: `status` of a success, `reason` of a problem.
        as_good: another answer that says the same; empty where there is none.
        signature: how it is signed.
        age_s: how long ago it claims to have been signed, seconds.
        unsigned: headers that no signature covers.
    """

    body: bytes
    expected: str
    as_good: str = ""
    signature: Signature = Signature.RIGHT
    age_s: int = 0
    unsigned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Deliveries that follow one another, the next when the one before was answered."""

    scenario: Scenario
    deliveries: Sequence[Delivery]


PROCESSED: Final = "200 processed"
ALREADY_PROCESSED: Final = "200 already_processed"
CONFLICT: Final = "409 CONFLICT"
SIGNATURE_INVALID: Final = "403 SIGNATURE_INVALID"
# What the same refusal is called once there have been many from one address.
RATE_LIMITED: Final = "429 RATE_LIMITED"
OUTSIDE_WINDOW: Final = "408 TIMESTAMP_OUTSIDE_WINDOW"
INVALID_FIELD: Final = "422 INVALID_FIELD"


class Traffic(Protocol):
    """Whose deliveries a mock sender sends."""

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What they can be."""

    def deliveries(self, scenario: Scenario) -> Sequence[Delivery]:
        """Return the deliveries of one case, of a payment never made before."""

    def shuffle(self, items: list[Case]) -> None:
        """Mix cases."""


class Signer(Protocol):
    """Signs deliveries."""

    def request(self, delivery: Delivery, *, now_s: int, previous: Request | None) -> Request:
        """Return the request to send; `previous` is the one before it of the same case."""


class Population:
    """Makes payments between a heavy-tailed crowd of senders and receivers."""

    def __init__(self, *, run: str, seed: int | None = None) -> None:
        """Make payments whose ids start with `run`; the same seed makes the same ones."""
        self._run = run
        self._random = random.Random(seed)  # noqa: S311 - traffic, no secret
        self._count = 0

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What a native delivery can be."""
        return [each for each in Scenario if each is not Scenario.LIFE]

    def deliveries(self, scenario: Scenario) -> Sequence[Delivery]:
        """Return the deliveries of one case."""
        return _deliveries(scenario, self)

    def payment(self, **changes: Any) -> dict[str, Any]:
        """Return the fields of a payment never made before, with some replaced."""
        self._count += 1
        draw = self._random
        currency, exponent = draw.choice(_CURRENCIES)
        amount = Decimal(max(1, int(draw.lognormvariate(8, 1.2)))).scaleb(-exponent)
        fields: dict[str, Any] = {
            "tx_id": f"{self._run}-{self._count}",
            # Both ways a sender may write an amount; a float prints the same digits at this size.
            "amount": str(amount) if draw.random() < 0.5 else float(amount),  # noqa: PLR2004 - half of them
            "currency": currency,
            "sender_account": f"acct-{int(draw.paretovariate(0.8)) % _SENDERS}",
            "receiver_account": f"shop-{int(draw.paretovariate(0.8)) % _RECEIVERS}",
            "status": "success",
        }
        if draw.random() < 0.3:  # noqa: PLR2004 - some of them
            fields["event_id"] = f"evt-{fields['tx_id']}"
            fields["description"] = "Order of a mock sender"
        return {**fields, **changes}

    def choice(self, options: Sequence[Any]) -> Any:
        """Return one of the options."""
        return self._random.choice(options)

    def shuffle(self, items: list[Case]) -> None:
        """Mix the cases."""
        self._random.shuffle(items)


def cases(scenarios: Sequence[Scenario], count: int, traffic: Traffic) -> Sequence[Case]:
    """Return cases of `count` deliveries in all, shared evenly between the scenarios and mixed."""
    mixed: list[Case] = []
    share, rest = divmod(count, len(scenarios))
    for position, scenario in enumerate(scenarios):
        wanted = share + (position < rest)
        while wanted > 0:
            deliveries = traffic.deliveries(scenario)[:wanted]
            mixed.append(Case(scenario=scenario, deliveries=deliveries))
            wanted -= len(deliveries)
    traffic.shuffle(mixed)
    return mixed


def _deliveries(scenario: Scenario, population: Population) -> Sequence[Delivery]:
    body = _json(population.payment())
    match scenario:
        case Scenario.VALID | Scenario.BURST:
            return (Delivery(body=body, expected=PROCESSED),)
        case Scenario.DUPLICATE:
            return (
                Delivery(body=body, expected=PROCESSED, age_s=EARLIER_S),
                Delivery(body=body, expected=ALREADY_PROCESSED, signature=Signature.REPEATED),
                Delivery(body=body, expected=ALREADY_PROCESSED),
            )
        case Scenario.CONFLICT:
            fields = json.loads(body)
            other = _json({**fields, "amount": str(Decimal(str(fields["amount"])) + 1)})
            return (Delivery(body=body, expected=PROCESSED), Delivery(body=other, expected=CONFLICT))
        case Scenario.BAD_SIGNATURE:
            wrong = population.choice((Signature.WRONG_SECRET, Signature.OTHER_BODY, Signature.MISSING))
            return (Delivery(body=body, expected=SIGNATURE_INVALID, as_good=RATE_LIMITED, signature=wrong),)
        case Scenario.STALE:
            return (Delivery(body=body, expected=OUTSIDE_WINDOW, age_s=STALE_S),)
        case Scenario.MALFORMED:
            return (Delivery(body=_malformed(population), expected=INVALID_FIELD),)
        case Scenario.LIFE:
            message = "a life is what the sample of a provider has"
            raise ValueError(message)


def _malformed(population: Population) -> bytes:
    wrong: Mapping[str, Any] = population.choice(
        (
            {"amount": "-1.00"},
            {"amount": "0"},
            {"amount": "a lot"},
            {"amount": "1.00001"},
            {"amount": True},
            {"currency": "XXL"},
            {"tx_id": "no spaces allowed"},
            {"sender_account": "same", "receiver_account": "same"},
            {"status": "perhaps"},
            {"status": "refunded", "event_id": ""},
        )
    )
    body = _json(population.payment(**wrong))
    return population.choice((body, body, body, body[:-1], b"[]", b'{"tx_id":'))  # type: ignore[no-any-return]


def headers_of(delivery: Delivery, secret: str, *, now_s: int, previous: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers to send with a delivery."""
    match delivery.signature:
        case Signature.REPEATED:
            return previous
        case Signature.MISSING:
            return {}
        case Signature.WRONG_SECRET:
            secret = hmac.digest(secret.encode(), b"another", "sha256").hex()
    body = b"{}" if delivery.signature is Signature.OTHER_BODY else delivery.body
    return signing.signed(body, secret, timestamp_s=now_s - delivery.age_s).headers


class NativeSigner:
    """Signs as the native source verifies."""

    def __init__(self, secret: str) -> None:
        """Sign with this secret."""
        self._secret = secret

    def request(self, delivery: Delivery, *, now_s: int, previous: Request | None) -> Request:
        """Return the request to send."""
        from autopay_cli.recipes.signing import Request

        before = dict(previous.headers) if previous is not None else {}
        headers = headers_of(delivery, self._secret, now_s=now_s, previous=before)
        return Request(body=delivery.body, headers=tuple(headers.items()))


def flat(every: Sequence[Case]) -> Iterator[tuple[Scenario, Delivery]]:
    """Yield every delivery with its scenario."""
    for case in every:
        for delivery in case.deliveries:
            yield case.scenario, delivery


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
