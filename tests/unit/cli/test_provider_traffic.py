"""What a mock sender sends in a provider's name is what the provider's own rules accept, or refuse as they must."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from autopay_cli.provider_traffic import ACKNOWLEDGED, ProviderTraffic
from autopay_cli.recipes import described, samples
from autopay_cli.recipes.renaming import Renaming
from autopay_cli.recipes.samples import Message, Sample, content_of
from autopay_cli.recipes.signing import Request
from autopay_cli.scenarios import SIGNATURE_INVALID, Delivery, Scenario, Signature, cases, flat
from providers import registry
from providers.contract import Event, Options, Provider, Refused, Secret, Unprocessable, Window
from tests.conformance import vectors

NOW_S = 1_790_000_000
SIGNABLE = [name for name in vectors.names() if vectors.load(name).provider.name != "paypal"]


def traffic_of(name: str) -> ProviderTraffic:
    """Deliveries of a file's provider, signed with the file's secret."""
    sample = samples.load(name)
    return ProviderTraffic(sample, vectors.load(name).secrets.current.value, Renaming(sample, seed=3))


def decision(name: str, delivery: Delivery, request: Request) -> str:
    """What the edge answers: the reason of a refusal, or that it is acknowledged."""
    file = vectors.load(name)
    secret = [file.secrets.current]
    try:
        file.provider.verify(request.body, request.lookup, secret, now_s=NOW_S, window=Window())
    except Refused as refused:
        return refused.reason
    return delivery.expected.partition(" ")[2] if delivery.expected == ACKNOWLEDGED else "believed"


@pytest.mark.parametrize("name", SIGNABLE)
def test_every_delivery_is_decided_as_it_says(name: str) -> None:
    """All scenarios of a provider: what is signed rightly verifies, and nothing else does."""
    traffic = traffic_of(name)
    for case in cases(traffic.scenarios, 60, traffic):
        previous: Request | None = None
        for delivery in case.deliveries:
            previous = traffic.request(delivery, now_s=NOW_S, previous=previous)
            assert decision(name, delivery, previous) == delivery.expected.partition(" ")[2], case.scenario


def events_of(name: str, messages: Sequence[Message]) -> list[Event]:
    """Map the bodies of messages as ingest does."""
    file = vectors.load(name)
    found: list[Event] = []
    for message in messages:
        request = file.recipe.sign(content_of(message.content), file.secrets.current.value, at=NOW_S)
        for header, value in message.unsigned.items():
            request = request.having(header, value)
        kept = vectors.kept_headers(file.provider, request.lookup)
        found += file.provider.map(request.body, kept)
    return found


@pytest.mark.parametrize("name", vectors.names())
def test_a_life_is_of_one_payment_that_nobody_has_seen(name: str) -> None:
    """Renamed, it means the same events of another payment: as many, of the same kinds and amounts."""
    sample = samples.load(name)
    renaming = Renaming(sample, seed=None)
    before = events_of(name, sample.life)
    lives = [events_of(name, renaming.life()) for _ in range(3)]
    for events in lives:
        assert [(each.kind, each.amount_minor) for each in events] == [
            (each.kind, each.amount_minor) for each in before
        ]
    payments = [{each.tx_id for each in events if each.tx_id} for events in (before, *lives)]
    assert sum(map(len, payments)) == len(set.union(*payments))
    # However many there were before, so many there are now: one for one.
    assert {len(each) for each in payments} == {len(payments[0])}


@pytest.mark.parametrize("name", [name for name in SIGNABLE if Scenario.MALFORMED in traffic_of(name).scenarios])
def test_malformed_ones_mean_nothing(name: str) -> None:
    """Rightly signed and cut short: the mapping refuses it."""
    traffic = traffic_of(name)
    [delivery] = traffic.deliveries(Scenario.MALFORMED)
    with pytest.raises(Unprocessable):
        vectors.load(name).provider.map(delivery.body, {})


def test_every_wrong_signature_is_among_the_bad_ones() -> None:
    """A wrong secret, a signature of another body, and none at all."""
    traffic = traffic_of("adyen")
    bad = [delivery for _, delivery in flat(cases([Scenario.BAD_SIGNATURE], 60, traffic))]
    assert {each.signature for each in bad} == {Signature.WRONG_SECRET, Signature.OTHER_BODY, Signature.MISSING}
    assert {each.expected for each in bad} == {SIGNATURE_INVALID}


DESCRIBED: list[dict[str, Any]] = [
    {
        "header": "X-Sign",
        "signed": "{id}.{timestamp}.{body}",
        "timestamp_header": "X-At",
        "id_header": "X-Id",
        "prefix": "v1=",
        "fields": {"kind": "events.1.type", "tx_id": "events.1.payment.id", "amount": "total", "currency": "in"},
        "kinds": {"paid": "captured", "held": "authorized"},
    },
    {
        "header": "X-Sign",
        "algorithm": "sha512",
        "encoding": "base64",
        "secret_encoding": "hex",
        "signed": "{url}|{body}",
        "amount_unit": "major",
        "currency": "KWD",
        "time_format": "iso",
        "fields": {
            "kind": ["what", "kind"],
            "aliases": ["order", "charge"],
            "event_id": "id",
            "object_id": "id",
            "amount": "money.0.0",
            "time": "at",
            "live": "live",
            "sender": "from",
            "receiver": "to",
            "description": "text",
        },
        "kinds": {"7": "refunded"},
    },
    {
        "header": "X-Sign",
        "signed": "{timestamp}{body}",
        "timestamp_header": "X-At",
        "tolerance_s": "none",
        "time_format": "unix_ms",
        "fields": {"kind": "k", "tx_id": "t", "time": "at"},
        "kinds": {"x": "canceled"},
    },
]


def described_provider(options: dict[str, Any]) -> tuple[Provider, Sample]:
    """A source of `hmac` and what is sent to it."""
    url = "https://pay.example/webhooks/partner"
    configured = registry.load()["hmac"].configured(Options(url=url, live=True, table=options))
    return configured, described.sample_of("partner", options, url=url, live=True)


@pytest.mark.parametrize("options", DESCRIBED, ids=["dated", "with a url", "of any age"])
def test_a_described_sender_is_played_by_its_own_options(options: dict[str, Any]) -> None:
    """Whatever a source's options say, the delivery made of them verifies and means one event of a new payment."""
    provider, sample = described_provider(options)
    secret = Secret("key", "0123456789abcdef" * 4)
    names = set()
    renaming = Renaming(sample, seed=random.randrange(9))
    for _ in range(2):
        request = sample.recipe.sign(content_of(renaming.message().content), secret.value, at=NOW_S)
        provider.verify(request.body, request.lookup, [secret], now_s=NOW_S, window=Window())
        [event] = provider.map(request.body, {})
        names.add((event.tx_id, *event.aliases))
        assert event.kind.name.lower() in {*options["kinds"].values()}
    assert len(names) == 2
    other = sample.recipe.sign(sample.body, "f" * 64, at=NOW_S)
    with pytest.raises(Refused):
        provider.verify(other.body, other.lookup, [secret], now_s=NOW_S, window=Window())
    assert sample.recipe.dated is (options.get("tolerance_s") != "none" and "timestamp_header" in options)
