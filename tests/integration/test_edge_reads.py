"""Reads over HTTP against a real ledger: what was recorded comes back, by id, page by page and in full."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from edge.adapters import ledger_client
from edge.api_keys import ApiKeys
from edge.incidents import Incidents
from edge.key_entries import parse
from edge.limits import Limits
from edge.payments import Payments
from edge.readiness import Readiness
from edge.surface import Surface
from edge.webhooks import RequestIds
from mesh import logs
from mesh.channel import open_channel
from mesh.tracing import Tracing
from tests.ledgers import RunningLedger, captured, refunded, running_ledger

KEY = {"X-API-Key": "reader.0123456789abcdefghijkl"}


@pytest.fixture
async def ledger(mongo_url: str) -> AsyncIterator[RunningLedger]:
    """A ledger on a database of its own."""
    async with running_ledger(mongo_url) as running:
        yield running


@pytest.fixture
async def http(ledger: RunningLedger) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the edge's reads before that ledger."""
    readiness = Readiness()
    readiness.ready = True
    surface = Surface(
        keys=ApiKeys(parse([KEY["X-API-Key"]])),
        ids=RequestIds(),
        readiness=readiness,
        tracing=Tracing(None, ratio=0),
        limits=Limits(),
        incidents=Incidents(),
        log=logs.configure("edge", "error"),
    )
    channel = open_channel(ledger.target, service=ledger_client.SERVICE)
    app = web.Application()
    app.add_routes(Payments(ledger_client.GrpcLedger(channel), sources=["autopay", "partner"]).routes(surface))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}", headers=KEY) as session:
        yield session
    await runner.cleanup()
    await channel.close()


async def got(http: aiohttp.ClientSession, path: str, **request: Any) -> tuple[int, Any]:
    """Ask; return the status and the body."""
    async with http.get(path, **request) as response:
        return response.status, await response.json()


async def ids(http: aiohttp.ClientSession, **query: Any) -> list[str]:
    """Return the ids of a page of payments."""
    status, body = await got(http, "/transactions", params=query)
    assert status == 200, body
    return [payment["tx_id"] for payment in body["transactions"]]


async def test_a_recorded_payment_comes_back_in_full(ledger: RunningLedger, http: aiohttp.ClientSession) -> None:
    """Amounts, events and totals are those recorded; the full view is written down in the ledger."""
    await ledger.record(captured("T-1", 1_050, event_id="e-1", description="Shoes"), refunded("T-1", 250))
    status, basic = await got(http, "/transaction/T-1")
    assert (status, basic["amount"], basic["status"], basic["version"]) == (200, "10.50", "partially_refunded", 2)
    assert basic["totals"] == {"authorized": "0.00", "captured": "10.50", "refunded": "2.50", "disputed": "0.00"}
    status, full = await got(http, "/transaction/T-1", params={"view": "full"})
    assert {name: full[name] for name in basic} == basic
    assert [(event["kind"], event["amount"]) for event in full["events"]] == [
        ("captured", "10.50"),
        ("refunded", "2.50"),
    ]
    assert full["description"] == "Shoes"
    audit = await ledger.database["audit"].find({"action": "transaction.read_full"}).to_list(2)
    # The key's id, beside the edge that asked for it; never the key.
    assert [entry["details"] for entry in audit] == [{"reader": "reader"}]
    assert KEY["X-API-Key"].partition(".")[2] not in str(audit)


async def test_a_tag_ends_with_the_next_change(ledger: RunningLedger, http: aiohttp.ClientSession) -> None:
    """Nothing comes again until the payment changes."""
    await ledger.record(captured("T-1"))
    async with http.get("/transaction/T-1") as first:
        known = {"If-None-Match": first.headers["ETag"]}
    async with http.get("/transaction/T-1", headers=known) as second:
        assert second.status == 304
    await ledger.record(refunded("T-1", 1))
    async with http.get("/transaction/T-1", headers=known) as third:
        assert (third.status, (await third.json())["version"]) == (200, 2)


async def test_an_id_of_two_sources_needs_one_named(ledger: RunningLedger, http: aiohttp.ClientSession) -> None:
    """409 lists the sources; with one named it is found."""
    await ledger.record(captured("T-1"))
    await ledger.record(captured("T-1"), source="partner")
    for view in ("basic", "full"):
        status, body = await got(http, "/transaction/T-1", params={"view": view})
        assert (status, body["sources"]) == (409, ["autopay", "partner"])
    status, body = await got(http, "/transaction/T-1", params={"source": "partner"})
    assert (status, body["source"]) == (200, "partner")


async def test_every_payment_comes_once_page_by_page(ledger: RunningLedger, http: aiohttp.ClientSession) -> None:
    """Following `next` meets each payment exactly once, newest first."""
    await ledger.record(*(captured(f"T-{number}") for number in range(7)))
    path, seen = "/transactions?limit=3", []
    while path:
        status, body = await got(http, path)
        assert status == 200, body
        seen += [payment["tx_id"] for payment in body["transactions"]]
        path = body["next"]
    assert sorted(seen) == [f"T-{number}" for number in range(7)]


async def test_every_condition_selects(ledger: RunningLedger, http: aiohttp.ClientSession) -> None:
    """Each parameter, and two together, returns what fits it and nothing else."""
    await ledger.record(captured("T-1", 100), captured("T-2", 500, "JPY", sender_account="bob"), risk=4)
    await ledger.record(captured("T-3", 900), captured("T-4", 2_000), refunded("T-4", 2_000))
    await ledger.record(captured("T-5"), source="partner")
    assert await ids(http, account="bob") == ["T-2"]
    assert await ids(http, account="bob", role="receiver") == []
    assert await ids(http, source="partner") == ["T-5"]
    assert await ids(http, status="refunded") == ["T-4"]
    assert await ids(http, currency="JPY") == ["T-2"]
    assert await ids(http, currency="EUR", amount_min="5", amount_max="9.50") == ["T-3"]
    assert sorted(await ids(http, risk_level="critical")) == ["T-1", "T-2"]
    assert await ids(http, risk_level="critical", currency="EUR") == ["T-1"]
    assert await ids(http, analysis_state="done") == []
    assert await ids(http, until="2020-01-01T00:00:00Z") == []
    assert len(await ids(http, since="2020-01-01T00:00:00Z")) == 5


async def test_a_cursor_of_another_query_is_refused(ledger: RunningLedger, http: aiohttp.ClientSession) -> None:
    """A cursor holds for the query it came with."""
    await ledger.record(captured("T-1"), captured("T-2"))
    _, body = await got(http, "/transactions", params={"limit": "1"})
    status, body = await got(http, "/transactions", params={"limit": "2", "cursor": body["cursor"]})
    assert (status, body["reason"]) == (422, "TOKEN_INVALID")
