"""`autopay tx`'s import, export, watch and quarantine as real processes, on a real ledger."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2, payment_pb2, risk_pb2
from autopay_client import AsyncLedgerClient, event, item, money

from autopay_cli.addresses import free_ports
from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.ledgers import RunningLedger, running_ledger
from tests.servers import bare_environment, fresh_database


def command(*arguments: str, ledger: str) -> list[str]:
    """The words of `autopay tx …` against a ledger."""
    return [sys.executable, "-m", "autopay_cli", "tx", *arguments, "--ledger", ledger]


async def tx(*arguments: str, ledger: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run `autopay tx …` to its end."""
    answer = await asyncio.to_thread(
        subprocess.run,
        command(*arguments, ledger=ledger),
        env={**bare_environment(), "COLUMNS": "200"},
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(answer.args, answer.returncode, answer.stdout.decode(), answer.stderr.decode())


def facts() -> list[payment_pb2.PaymentEvent]:
    """Events of forty payments: every kind, several currencies, awkward texts."""
    chosen = random.Random(3)
    kinds = [name.removeprefix("EVENT_KIND_").lower() for name in payment_pb2.EventKind.keys()[1:]]
    awkward = ['tea, "green"', "two\r\nlines", "=1+1", " é\u2028", "\r", ""]
    found = []
    for number in range(40):
        currency, exponent = chosen.choice([("EUR", 2), ("JPY", 0), ("KWD", 3)])
        for step in range(chosen.randint(1, 6)):
            stated = event(
                f"T-{number}",
                "captured" if not step else chosen.choice(kinds),
                money(f"{chosen.randint(1, 10**9) / 10**exponent:.{exponent}f}", currency),
                event_id=f"e-{number}-{step}",
                object_id=chosen.choice(["", "o-1", "o-2"]),
                basis=chosen.choice(["delta", "cumulative"]),
                sender="alice",
                receiver=f"shop-{number % 3}",
                time=1_767_312_000_123 + step,
                time_signed=chosen.random() < 0.5,
                description=chosen.choice(awkward),
                aliases=[f'a"{number}'] * (step == 1),
            )
            found.append(stated)
    return found


async def state_of(ledger: RunningLedger) -> dict[str, dict[str, Any]]:
    """Every payment in full, without what the ledger stamps itself."""
    found = {}
    async with AsyncLedgerClient(ledger.target) as client:
        async for each in client.list():
            payment = await client.get(each.source, each.tx_id, full=True)
            events = sorted(one.event.SerializeToString(deterministic=True) for one in payment.events)
            for name in ("version", "recorded_at_ms", "updated_at_ms", "events"):
                payment.ClearField(name)
            found[each.tx_id] = {"payment": payment.SerializeToString(deterministic=True), "events": events}
    return found


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_an_export_imported_into_an_empty_ledger_gives_the_same_payments(
    mongo_server: EmbeddedMongo, tmp_path: Path, form: str
) -> None:
    """State, sums, events, texts and risk; importing it again changes nothing."""
    file = tmp_path / f"payments.{form}"
    with fresh_database(mongo_server) as one, fresh_database(mongo_server) as other:
        async with running_ledger(one) as ledger:
            risk = risk_pb2.Risk(score=0.7, level=risk_pb2.RISK_LEVEL_HIGH, model_version="1")
            risk.reasons.add(code="BURST", sentence="Many at once.", contribution=0.25, evidence={"count": "9"})
            async with AsyncLedgerClient(ledger.target) as client:
                for stated in facts():
                    await client.record("orders", stated, risk=risk)
            before = await state_of(ledger)
            exported = await tx("export", "--output", str(file), ledger=ledger.target)
        async with running_ledger(other) as ledger:
            imported = await tx("import", str(file), "--json", ledger=ledger.target)
            after = await state_of(ledger)
            again = await tx("import", "-", "--format", form, "--json", ledger=ledger.target, stdin=file.read_bytes())
            unchanged = await state_of(ledger)
    assert (exported.returncode, exported.stderr) == (0, "40 payments.\n")
    assert imported.returncode == 0, imported.stdout
    assert len(before) == 40
    assert before == after == unchanged
    assert json.loads(again.stdout)["duplicate"] == json.loads(imported.stdout)["rows"]
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208 - pathlib's would be refused in a coroutine


async def test_parquet_holds_the_same_rows(mongo_url: str, tmp_path: Path) -> None:
    """Money stays text, exact."""
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "payments.parquet"
    async with running_ledger(mongo_url) as ledger:
        async with AsyncLedgerClient(ledger.target) as client:
            await client.record("orders", event("T-1", "captured", money("10.10", "EUR"), aliases=["a"]))
        assert (await tx("export", "-o", str(file), ledger=ledger.target)).returncode == 0
        refused = await tx("export", "--format", "parquet", ledger=ledger.target)
    (row,) = parquet.read_table(file).to_pylist()
    assert (row["amount"], row["currency"], row["aliases"], row["amount_fixed"]) == ("10.10", "EUR", '["a"]', False)
    assert "Parquet is written to a file" in refused.stderr


async def test_each_failed_row_is_named_and_the_exit_code_says_so(mongo_url: str, tmp_path: Path) -> None:
    """Wrong rows, refused rows and contradictions; the others are recorded."""
    file = tmp_path / "payments.csv"
    file.write_text(
        "tx_id,kind,amount,currency,sender_account,receiver_account\n"
        "T-1,captured,10.00,EUR,alice,shop\n"
        "T-1,captured,10.00,EUR,mallory,shop\n"
        "T-2,captured,10.005,EUR,alice,shop\n"
        "T-3,captured,10.00,EUR,alice,alice\n"
        "T-4,captured,10.00,EUR,alice,shop\n"
    )
    async with running_ledger(mongo_url) as ledger:
        dry = await tx("import", str(file), "--source", "orders", "--dry-run", "--json", ledger=ledger.target)
        answer = await tx("import", str(file), "--source", "orders", ledger=ledger.target)
        state = await state_of(ledger)
    assert (dry.returncode, json.loads(dry.stdout)["valid"]) == (1, 4)
    assert answer.returncode == 1
    assert answer.stdout == "5 rows: 2 created, 3 failed.\n"
    assert answer.stderr.splitlines() == [
        "line 3: contradicts what is recorded of T-1: sender_account differs",
        "line 4: amount: 10.005 has more than the 2 decimals of EUR",
        "line 5: events[0].event.receiver_account: must differ from sender_account",
    ]
    assert sorted(state) == ["T-1", "T-4"]


async def test_an_interrupted_import_goes_on_where_it_was(mongo_url: str, tmp_path: Path) -> None:
    """Ctrl-C in the middle keeps the place; the next run does the rest and forgets it."""
    file = tmp_path / "payments.jsonl"
    rows = 60_000
    row = {"source": "orders", "kind": "captured", "amount": "1.00", "currency": "EUR"}
    file.write_text("".join(json.dumps({**row, "tx_id": f"T-{number}"}) + "\n" for number in range(rows)))
    kept = file.with_name("payments.jsonl.checkpoint")
    async with running_ledger(mongo_url) as ledger:
        first = await asyncio.create_subprocess_exec(
            *command("import", str(file), ledger=ledger.target),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not kept.exists():
            assert first.returncode is None, "the import ended before it could be interrupted"
            await asyncio.sleep(0.02)
        first.send_signal(signal.SIGINT)
        await asyncio.wait_for(first.wait(), 20)
        line = json.loads(kept.read_text())["line"]
        rest = await tx("import", str(file), "--json", ledger=ledger.target)
        count = await ledger.database["transactions"].count_documents({})
    report = json.loads(rest.stdout)
    assert first.returncode != 0
    assert 0 < line < rows
    assert (report["began_after_line"], report["rows"]) == (line, rows - line)
    assert count == rows
    assert not kept.exists()


async def test_a_watch_prints_changes_and_the_token_to_go_on_with(mongo_url: str) -> None:
    """What was recorded while nobody watched comes when the watch goes on."""
    async with running_ledger(mongo_url) as ledger, AsyncLedgerClient(ledger.target) as client:
        watching = await asyncio.create_subprocess_exec(
            *command("watch", "--json", "--count", "1", ledger=ledger.target),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert watching.stderr is not None
        assert b"Watching" in await asyncio.wait_for(watching.stderr.readline(), 20)
        await client.record("orders", event("T-1", "captured", money("10.10", "EUR")))
        output, said = await asyncio.wait_for(watching.communicate(), 20)
        await client.record("orders", event("T-2", "failed"))
        seen = json.loads(output)
        later = await tx("watch", "--from", seen["resume_token"], "--count", "1", ledger=ledger.target)
    assert seen["change"]["tx_id"] == "T-1"
    assert f"autopay tx watch --from {seen['resume_token']}" in said.decode()
    assert "orders/T-2  v1  created  failed  failed" in later.stdout


def delivered(body: bytes, stated: payment_pb2.PaymentEvent) -> ledger_pb2.RecordItem:
    """An item with a delivery of these bytes."""
    arrived = item("autopay", stated)
    arrived.delivery.CopyFrom(
        delivery_pb2.Delivery(
            delivery_id=arrived.delivery_id,
            source="autopay",
            provider="autopay",
            body=body,
            received_at_ms=time.time_ns() // 1_000_000,
        )
    )
    return arrived


async def test_a_conflict_is_listed_shown_and_accepted(mongo_url: str) -> None:
    """A person finds it by the beginning of its id, sees what differs, and decides; the payment follows."""
    body = b'{"amount": "\x1b[31m"}'
    key = f"autopay:{hashlib.sha256(body).hexdigest()}"
    paid, other = (
        event("T-1", "captured", money(amount, "EUR"), event_id=event_id, amount_fixed=True)
        for event_id, amount in (("e-1", "10.00"), ("e-2", "12.00"))
    )
    async with running_ledger(mongo_url) as ledger, AsyncLedgerClient(ledger.target) as client:
        assert [one async for one in client.record_many([delivered(b"first", paid), delivered(body, other)])]
        listed = await tx("quarantine", "list", ledger=ledger.target)
        shown = await tx("quarantine", "show", key[:15], "--body", ledger=ledger.target)
        decision = ("--note", "the bank says so", "--author", "ann")
        accepted = await tx("quarantine", "accept", key[:15], *decision, "--json", ledger=ledger.target)
        again = await tx("quarantine", "dismiss", key, *decision, ledger=ledger.target)
        empty = await tx("quarantine", "list", ledger=ledger.target)
        payment = await client.get("autopay", "T-1")
    assert key[:20] in listed.stdout
    assert "T-1: amount differs" in listed.stdout
    assert '{"amount": "\\x1b[31m"}' in shown.stdout
    assert "captured 12.00 EUR" in shown.stdout
    (resolution,) = json.loads(accepted.stdout)["resolutions"]
    assert (resolution["resolution"], resolution["author"]) == ("RESOLUTION_ACCEPT", "ann")
    assert "A delivery that is recorded can't end by dismiss" in again.stderr
    assert empty.stdout == "Nothing waits for anybody.\n"
    assert payment.amount.minor_units == 1_200


async def test_a_ledger_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    """What happened, how far it got, what to do."""
    file = tmp_path / "payments.jsonl"
    file.write_text('{"source": "s", "tx_id": "T-1", "kind": "failed"}\n')
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    read = await tx("get", "T-1", ledger=nobody)
    loaded = await tx("import", str(file), "--patience", "1", ledger=nobody)
    assert (read.returncode, loaded.returncode) == (1, 1)
    assert read.stderr.count("\n") == loaded.stderr.count("\n") == 1
    assert f"the ledger at {nobody} does not answer" in read.stderr
    assert "Stopped after line 0; the same command goes on there." in loaded.stderr
