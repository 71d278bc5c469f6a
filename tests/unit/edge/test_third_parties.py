"""A third party's webhook over a real connection: its route, its own acknowledgement, and what alerts."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from edge.model import Answer, Disposition, Outcome
from providers.contract import Provider
from tests.fakes.acme import Acme
from tests.fakes.ingest import answered, without_events
from tests.unit.edge.rig import Edge, Got, running_edge

PROVIDERS: dict[str, Provider] = {"acme": Acme()}
SECRETS: dict[str, Any] = {"webhook_secrets": {"ACME": "one,two"}, "hmac_secret_key": ""}
BODY = b"anything"


def signature(secret: str, body: bytes = BODY) -> dict[str, str]:
    """Sign as the third party does."""
    return {"X-Acme-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def deliver(edge: Edge, secret: str = "one", path: str = "/webhooks/acme") -> Got:  # noqa: S107 - of a test
    """Send one delivery of it."""
    return await edge.deliver(BODY, path=path, headers=signature(secret))


KEPT = [
    (answered(Outcome.CREATED), "processed"),
    (answered(Outcome.UPDATED), "updated"),
    (answered(Outcome.STALE), "stale"),
    (answered(Outcome.DUPLICATE, disposition=Disposition.DUPLICATE), "already_processed"),
    (answered(Outcome.CONFLICT, disposition=Disposition.CONFLICT, conflict_field="amount"), "conflict"),
    (
        without_events(Disposition.UNPROCESSABLE, reason="INVALID_FIELD", errors=[("id", "is required")]),
        "unprocessable",
    ),
    (without_events(Disposition.IGNORED), "ignored"),
    (without_events(Disposition.WAITING), "waiting"),
    (without_events(Disposition.DISMISSED), "dismissed"),
]


@pytest.mark.parametrize(("answer", "word"), KEPT, ids=[word for _, word in KEPT])
async def test_what_is_kept_is_acknowledged_in_the_providers_words(answer: Answer, word: str) -> None:
    """Whatever became of it, once it is durable the provider reads what it wants to read with a 200."""
    async with running_edge(providers=PROVIDERS, **SECRETS) as edge:
        edge.ingest.answer = lambda delivery: answer
        got = await deliver(edge)
        assert (got.status, got.body, got.headers["Content-Type"]) == (200, b"[thanks]", "text/plain")
        [line] = [line for line in edge.lines() if line["event"] == "webhook"]
    assert (line["source"], line["outcome"]) == ("acme", word)


@pytest.mark.parametrize(
    "answer",
    [
        answered(durable=False),
        without_events(Disposition.UNPROCESSABLE, durable=False, reason="INVALID_FIELD"),
        without_events(Disposition.UNKNOWN),
    ],
)
async def test_what_is_not_durable_is_503(answer: Answer) -> None:
    """A third party is never acknowledged before its delivery is kept."""
    async with running_edge(providers=PROVIDERS, **SECRETS) as edge:
        edge.ingest.answer = lambda delivery: answer
        got = await deliver(edge)
    assert (got.status, got.headers["Retry-After"]) == (503, "1")


async def test_what_can_never_be_stored_is_not_asked_for_again() -> None:
    """What not even the quarantine holds is a 422 with its reason, counted under a word of its own, and an incident."""
    async with running_edge(providers=PROVIDERS, **SECRETS) as edge:
        edge.ingest.answer = lambda delivery: without_events(Disposition.UNKNOWN, durable=False, reason="UNSTORABLE")
        got = await deliver(edge)
        metrics = (await edge.send("GET", "/metrics", port=edge.admin_port)).body.decode()
    assert (got.status, got.json["reason"]) == (422, "UNSTORABLE")
    assert "Retry-After" not in got.headers
    assert 'outcome="unstorable",source="acme",status="422"' in metrics


async def test_what_a_person_must_see_is_counted_and_logged() -> None:
    """A conflict and what can't be processed each have a warning that names fields, and a metric to alert on."""
    async with running_edge(providers=PROVIDERS, **SECRETS) as edge:
        for answer, _ in KEPT:
            edge.ingest.answer = lambda delivery, answer=answer: answer  # type: ignore[misc]
            await deliver(edge)
        warnings = [line for line in edge.lines() if line["event"] == "quarantined"]
        metrics = (await edge.send("GET", "/metrics", port=edge.admin_port)).body.decode()
    assert [(line["outcome"], line["fields"]) for line in warnings] == [
        ("conflict", ["amount"]),
        ("unprocessable", ["id"]),
    ]
    assert all(line["level"] == "warning" and line["request_id"] for line in warnings)
    assert 'webhooks_quarantined_total{outcome="conflict",source="acme"} 1.0' in metrics


async def test_each_secret_of_a_source_verifies_under_its_own_key_id() -> None:
    """While one secret replaces another both are good, and the delivery says which it was."""
    async with running_edge(providers=PROVIDERS, **SECRETS) as edge:
        assert [(await deliver(edge, secret)).status for secret in ("one", "two", "three")] == [200, 200, 403]
        first, second = edge.ingest.deliveries
    assert first.key_id != second.key_id
    assert (first.source, first.provider) == ("acme", "acme")


async def test_sources_of_one_provider_are_apart() -> None:
    """One partner's key writes nothing under another's name."""
    text = '[sources.eu]\nprovider = "acme"\n[sources.us]\nprovider = "acme"'
    async with running_edge(
        providers=PROVIDERS, sources=text, webhook_secrets={"EU": "of eu", "US": "of us"}, hmac_secret_key=""
    ) as edge:
        assert (await deliver(edge, "of eu", "/webhooks/eu")).status == 200
        assert (await deliver(edge, "of eu", "/webhooks/us")).status == 403
        assert [delivery.source for delivery in edge.ingest.deliveries] == ["eu"]


@pytest.mark.parametrize("path", ["/webhooks/acme", "/webhooks/nobody"])
async def test_without_a_secret_a_source_is_not_there(path: str) -> None:
    """A source that is off answers like one that nobody has configured."""
    async with running_edge(providers=PROVIDERS, hmac_secret_key="") as edge:
        got = await deliver(edge, path=path)
    assert (got.status, got.json["reason"]) == (404, "SOURCE_UNKNOWN")
