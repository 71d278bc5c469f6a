"""The mock sender gets every expected answer, and the database holds exactly what was accepted."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from autopay_cli.demonstration import WEBHOOK_PATH
from autopay_cli.scenarios import PROCESSED, Case, NativeSigner, Population, Scenario, cases
from autopay_cli.sending import Sender
from autopay_cli.tally import Tally
from tests.servers import RunningUp, bare_environment

Documents = Database[dict[str, Any]]
SIX = "valid,duplicate,conflict,bad-signature,stale,malformed"


@pytest.fixture
def database(up: RunningUp) -> Iterator[Documents]:
    """The mesh's database, read directly."""
    with MongoClient[dict[str, Any]](up.mesh.mongo, tz_aware=True) as client:
        yield client.get_default_database()


def simulate(up: RunningUp, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "autopay_cli", "simulate", "--data-dir", str(up.data), *options]
    return subprocess.run(command, env=bare_environment(), capture_output=True, text=True, check=False, timeout=100)


async def sent(up: RunningUp, run: str, every: list[Case], *, concurrency: int = 32) -> Tally:
    """Send cases and return what came back."""
    tally = Tally()
    sender = Sender(
        url=up.mesh.edge + WEBHOOK_PATH,
        signer=NativeSigner(up.mesh.hmac_secret),
        rate=0,
        concurrency=concurrency,
        noted=tally.add,
    )
    await sender.send(every)
    return tally


def test_every_scenario_gets_its_answer(up: RunningUp) -> None:
    """600 deliveries over the six scenarios: exit code 0, and each outcome as expected."""
    answer = simulate(up, "--scenario", SIX, "--count", "600", "--rate", "0", "--json")
    report = json.loads(answer.stdout)
    assert answer.returncode == 0, report["unexpected"]
    assert report["sent"] == 600
    assert {name: each["as_expected"] for name, each in report["scenarios"].items()} == dict.fromkeys(
        SIX.split(","), 100
    )


def test_the_table_is_for_people(up: RunningUp) -> None:
    """Scenario, outcomes, percentiles; and no progress bar where nobody watches."""
    answer = simulate(up, "--count", "14", "--rate", "0")
    assert answer.returncode == 0
    assert "bad-signature" in answer.stdout
    assert "p99" in answer.stdout
    assert answer.stderr == ""


def test_a_wrong_answer_fails_the_run(up: RunningUp) -> None:
    """With another secret valid payments are refused, and the exit code says so."""
    answer = simulate(up, "--scenario", "valid", "--count", "2", "--secret", "another")
    assert answer.returncode == 1
    assert " instead of 200 processed: " in answer.stdout
    assert "403 SIGNATURE_INVALID" in answer.stdout or "429 RATE_LIMITED" in answer.stdout


def test_the_rate_holds(up: RunningUp) -> None:
    """40 deliveries at 40 a second take about a second; a burst doesn't wait."""
    started = time.monotonic()
    report = json.loads(simulate(up, "--scenario", "valid", "--count", "40", "--rate", "40", "--json").stdout)
    assert 0.9 < report["duration_s"] < time.monotonic() - started
    report = json.loads(simulate(up, "--scenario", "burst", "--count", "40", "--rate", "1", "--json").stdout)
    assert report["duration_s"] < 10


async def test_the_database_holds_exactly_what_was_accepted(up: RunningUp, database: Documents) -> None:
    """One document per accepted payment, each event once, and the first accepted delivery's exact bytes."""
    run = "exact"
    chosen = [Scenario(name) for name in SIX.split(",")]
    tally = await sent(up, run, list(cases(chosen, 600, Population(run=run, seed=1))))
    assert tally.as_expected
    accepted = {
        json.loads(outcome.delivery.body)["tx_id"]: outcome.delivery.body
        for outcome in tally.outcomes
        if outcome.got == PROCESSED
    }
    documents = {
        document["_id"]: document for document in database["transactions"].find({"_id": {"$regex": f"^autopay:{run}-"}})
    }
    assert set(documents) == {f"autopay:{tx_id}" for tx_id in accepted}
    for tx_id, body in accepted.items():
        (event,) = documents[f"autopay:{tx_id}"]["events"]
        name = f"autopay:{hashlib.sha256(body).hexdigest()}"
        assert event["delivery"] == name
        delivery = database["deliveries"].find_one({"_id": name})
        assert delivery is not None
        assert bytes(delivery["body"]) == body


async def test_refused_deliveries_leave_nothing(up: RunningUp, database: Documents) -> None:
    """A bad signature, a stale one and a malformed body are not stored at all."""
    run = "refused"
    chosen = [Scenario.BAD_SIGNATURE, Scenario.STALE, Scenario.MALFORMED]
    tally = await sent(up, run, list(cases(chosen, 90, Population(run=run, seed=2))))
    assert tally.as_expected
    names = [f"autopay:{hashlib.sha256(outcome.delivery.body).hexdigest()}" for outcome in tally.outcomes]
    assert database["deliveries"].count_documents({"_id": {"$in": names}}) == 0
    assert database["transactions"].count_documents({"_id": {"$regex": f"^autopay:{run}-"}}) == 0
