"""`autopay ledger` as a real process on a real ledger."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys

from autopay.ledger.v1 import ledger_pb2

from services.ledger.sealing import KeyRing
from tests.ledgers import RunningLedger, captured, recorded, running_ledger
from tests.servers import bare_environment


async def autopay(*arguments: str, ledger: RunningLedger, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `autopay ledger …` to its end."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "autopay_cli", "ledger", *arguments, "--ledger", ledger.target],
        env={**bare_environment(), "COLUMNS": "200"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def deliver(ledger: RunningLedger, count: int) -> None:
    """Record deliveries, each of a payment of its own."""
    items = [recorded(captured(f"T-{number}")) for number in range(count)]
    for number, item in enumerate(items):
        item.delivery.source, item.delivery.body = "autopay", b"%d" % number
    await ledger.stub.Record(ledger_pb2.RecordRequest(items=items), timeout=10)


async def plain(ledger: RunningLedger) -> int:
    """How many deliveries still have bytes in the clear."""
    found: int = await ledger.database["deliveries"].count_documents(
        {"body": {"$exists": True}, "sealing": {"$exists": False}}
    )
    return found


async def test_an_account_is_erased_to_its_last_page(mongo_url: str) -> None:
    """One command, however many pages, and a sentence about what it did."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, 60)
        done = await autopay("erase", "--account", "alice", "--note", "request 17", "--yes", ledger=ledger)
        assert (done.returncode, done.stdout) == (0, "60 deliveries of 60 payments lost their bytes and headers.\n")
        assert await plain(ledger) == 0
        again = await autopay("erase", "--account", "alice", "--note", "again", "--yes", "--json", ledger=ledger)
        assert json.loads(again.stdout) == {"payments": 60, "erased": 0, "held": []}


async def test_an_erasure_is_asked_about_first(mongo_url: str) -> None:
    """Anything but a yes leaves everything as it was."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, 1)
        for answer in ("n\n", "\n", ""):
            done = await autopay("erase", "--account", "alice", "--note", "why", ledger=ledger, stdin=answer)
            assert done.returncode == 1
        assert await plain(ledger) == 1
        done = await autopay("erase", "--account", "alice", "--note", "why", ledger=ledger, stdin="y\n")
        assert done.returncode == 0
        assert await plain(ledger) == 0


async def test_what_is_held_is_named_and_fails_the_command(mongo_url: str) -> None:
    """A script notices that it has to come back."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, 2)
        await ledger.database["deliveries"].update_one({}, {"$set": {"disposition": "waiting"}})
        done = await autopay("erase", "--account", "alice", "--note", "why", "--yes", ledger=ledger)
        assert done.returncode == 1
        assert "1 deliveries of 2 payments" in done.stdout
        assert "1 wait to be run through ingest again and keep theirs: autopay:" in done.stderr


async def test_everything_is_resealed_under_the_first_key(mongo_url: str) -> None:
    """Call after call to the end; without a key it is one line."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, 250)
        refused = await autopay("reseal", ledger=ledger)
        assert refused.returncode == 1
        assert "LEDGER_BODY_KEYS" in refused.stderr
    keys = KeyRing({"k1": b"k" * 32}, random=secrets.token_bytes)
    async with running_ledger(mongo_url, keys=keys) as ledger:
        done = await autopay("reseal", ledger=ledger)
        assert (done.returncode, done.stdout) == (
            0,
            "250 deliveries looked at, 250 of them resealed under the key k1.\n",
        )
        assert await plain(ledger) == 0
        again = await autopay("reseal", "--json", ledger=ledger)
        assert json.loads(again.stdout) == {"examined": 250, "resealed": 0, "unopenable": 0, "key_id": "k1"}
