"""The admin port: alive, ready, measured; and nothing of it on the public port."""

from __future__ import annotations

import pytest

from tests.unit.edge.rig import BODY, Edge, signed


async def test_it_is_alive_whenever_it_answers(edge: Edge) -> None:
    """Liveness says that the process serves, whatever is behind it."""
    got = await edge.send("GET", "/livez", port=edge.admin_port)
    assert (got.status, got.json) == (200, {"status": "alive"})


async def test_it_is_ready_from_start_to_drain(edge: Edge) -> None:
    """Readiness is the process's own word: 503 before and after, 200 in between."""
    for ready, status, word in ((False, 503, "draining"), (True, 200, "ready"), (False, 503, "draining")):
        edge.readiness.ready = ready
        got = await edge.send("GET", "/readyz", port=edge.admin_port)
        assert (got.status, got.json) == (status, {"status": word})


async def test_metrics_count_webhooks_by_source_outcome_and_status(edge: Edge) -> None:
    """Prometheus sees every answer, its duration and which key verified it."""
    await edge.deliver()
    await edge.deliver()
    await edge.deliver(headers=signed(BODY, secret="wrong"))
    text = (await edge.send("GET", "/metrics", port=edge.admin_port)).body.decode()
    assert 'webhooks_total{outcome="processed",source="autopay",status="200"} 2.0' in text
    assert 'webhooks_total{outcome="signature_invalid",source="autopay",status="403"} 1.0' in text
    assert "webhook_duration_seconds_count 3.0" in text
    assert f'webhook_key_uses_total{{key_id="{edge.ingest.deliveries[0].key_id}",source="autopay"}} 2.0' in text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_nothing_of_it_is_public(edge: Edge, path: str) -> None:
    """Probes and metrics are not served where webhooks are."""
    assert (await edge.send("GET", path)).status == 404


async def test_webhooks_are_not_served_inside(edge: Edge) -> None:
    """The admin port takes no deliveries."""
    got = await edge.send("POST", "/webhooks/payments", port=edge.admin_port, data=BODY, headers=signed(BODY))
    assert got.status == 404
