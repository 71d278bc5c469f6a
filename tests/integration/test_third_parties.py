"""Third parties before the whole mesh: each is answered in its own words, and nothing that verifies is lost."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.recipes import samples
from tests.mesh_processes import RunningMesh, running_mesh
from tests.patience import until
from tests.servers import fresh_database

ADYEN_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
SECRETS = {"eu": ADYEN_KEY, "live": "whsec_of-the-live-shop-0123456789", "test": "whsec_of-the-test-shop-0123456789"}
SOURCES = """
[sources.eu]
provider = "adyen"
mode = "test"

[sources.live]
provider = "stripe"
mode = "live"

[sources.test]
provider = "stripe"
mode = "test"
"""


@pytest.fixture(scope="module")
def running(
    mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningMesh, Database[Any]]]:
    """A mesh with these sources, and its database."""
    directory: Path = tmp_path_factory.mktemp("third-parties")
    file = directory / "sources.toml"
    file.write_text(SOURCES)
    variables = {"AUTOPAY_SOURCES_FILE": str(file), "EDGE_LIMIT_VERIFIED": "off"}
    variables |= {f"WEBHOOK_SECRET_{name.upper()}": secret for name, secret in SECRETS.items()}
    with (
        fresh_database(mongo_server) as url,
        MongoClient[dict[str, Any]](url) as client,
        running_mesh(url, directory, variables) as mesh,
    ):
        yield mesh, client.get_default_database()


class Party:
    """A third party that sends to one source, signed as its provider signs."""

    def __init__(self, mesh: RunningMesh, database: Database[Any], session: aiohttp.ClientSession) -> None:
        """Send over `session`."""
        self._url = mesh.url
        self._database = database
        self._session = session

    async def send(self, source: str, provider: str, body: bytes) -> tuple[int, bytes, str]:
        """Send a body; return the answer's status and body, and what became of the delivery."""
        request = samples.load(provider).recipe.sign(body, SECRETS[source], at=int(time.time()))
        url, headers = f"{self._url}/webhooks/{source}", dict(request.headers)
        async with self._session.post(url, data=request.body, headers=headers) as response:
            answer = response.status, await response.read()
        kept = self._database.deliveries.find_one({"_id": f"{source}:{hashlib.sha256(request.body).hexdigest()}"})
        return *answer, "" if kept is None else str(kept["disposition"])


@pytest.fixture
async def party(running: tuple[RunningMesh, Database[Any]]) -> AsyncIterator[Party]:
    """A sender to the mesh."""
    async with aiohttp.ClientSession() as session:
        yield Party(*running, session)


def adyen(**fields: object) -> bytes:
    """An authorisation as Adyen tells it, with some fields changed."""
    body = json.loads(samples.load("adyen").body)
    body["notificationItems"][0]["NotificationRequestItem"].update(fields)
    return json.dumps(body).encode()


async def test_adyen_reads_accepted_whatever_became_of_it(party: Party, running: Any) -> None:
    """Once it is kept the answer is `[accepted]`; the money counts once, and what needs a person alerts."""
    mesh, database = running
    psp = "MESH0000000000001"
    sent = {
        "new": adyen(pspReference=psp),
        "again": adyen(pspReference=psp),
        "contradicting": adyen(pspReference=psp, amount={"currency": "EUR", "value": 99}),
        "unknown": adyen(pspReference=psp, eventCode="REPORT_AVAILABLE"),
        "invalid": adyen(pspReference=psp, amount={"currency": "???", "value": 99}),
    }
    found = {name: await party.send("eu", "adyen", body) for name, body in sent.items()}
    assert {name: answer[:2] for name, answer in found.items()} == dict.fromkeys(sent, (200, b"[accepted]"))
    assert [found[name][2] for name in ("contradicting", "unknown", "invalid")] == [
        "conflict",
        "ignored",
        "unprocessable",
    ]
    payment = database.transactions.find_one({"_id": f"eu:{psp}"})
    assert (payment["totals"]["authorized"], len(payment["events"])) == (10_000, 1)

    def warned() -> list[tuple[str, str]]:
        return [(line["source"], line["outcome"]) for line in mesh.log_lines("edge") if line["event"] == "quarantined"]

    # A line is written when the loop turns, which may be after the answer.
    await until(lambda: len(warned()) > 1)
    assert warned() == [("eu", "conflict"), ("eu", "unprocessable")]
    async with aiohttp.ClientSession() as session, session.get(f"http://{mesh.admin}/metrics") as response:
        metrics = await response.text()
    assert 'webhooks_quarantined_total{outcome="conflict",source="eu"} 1.0' in metrics


async def test_each_source_of_a_provider_is_mapped_as_it_is_configured(party: Party) -> None:
    """A live event counts for the live source and is kept, not counted, for the test one; their payments are apart."""
    body = samples.load("stripe").body
    live = json.loads(body)["livemode"]
    found = {name: await party.send(name, "stripe", body) for name in ("live", "test")}
    assert {answer[0] for answer in found.values()} == {200}
    own, other = ("live", "test") if live else ("test", "live")
    assert found[own][2] == "recorded"
    assert found[other][2] == "unprocessable"


async def test_a_ledger_that_is_away_is_503_for_third_parties_too(party: Party, running: Any) -> None:
    """Nothing is acknowledged that is not kept: the provider sends it again, and then it is."""
    mesh, _ = running
    mesh.freeze("ledger")
    try:
        status, _, _ = await party.send("eu", "adyen", adyen(pspReference="MESH0000000000002"))
    finally:
        mesh.thaw("ledger")
    assert status == 503
    status, answer, disposition = await party.send("eu", "adyen", adyen(pspReference="MESH0000000000002"))
    assert (status, answer, disposition) == (200, b"[accepted]", "recorded")


async def test_what_a_payment_has_no_room_for_waits_for_a_person(party: Party, running: Any) -> None:
    """Refunds whose sum no field holds are acknowledged and quarantined, again and again, and change nothing."""
    _, database = running
    psp, largest = "MESH0000000000003", 9 * 10**18
    bodies = [
        adyen(
            pspReference=f"MESH000000000001{number}",
            originalReference=psp,
            eventCode="REFUND",
            amount={"currency": "EUR", "value": largest},
        )
        for number in range(2)
    ]
    assert await party.send("eu", "adyen", bodies[0]) == (200, b"[accepted]", "recorded")
    before = database.transactions.find_one({"_id": f"eu:{psp}"})
    for _ in range(2):
        assert await party.send("eu", "adyen", bodies[1]) == (200, b"[accepted]", "unprocessable")
    assert database.transactions.find_one({"_id": f"eu:{psp}"}) == before
    kept = database.deliveries.find_one(
        {"body": {"$exists": True}, "disposition": "unprocessable"}, sort=[("last_seen_at", -1)]
    )
    assert "stored" in kept["detail"] or "recorded" in kept["detail"]
