"""Watching changes on a real replica set: each (payment, version) once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import payment_pb2, risk_pb2

from autopay_cli.embedded_mongo import EmbeddedMongo
from mesh.errors import from_rpc_error
from services.ledger.change_hub import WatchLimits
from tests.ledgers import TIMEOUT_S, RunningLedger, captured, first_changes, refunded, running_ledger

pytestmark = pytest.mark.timeout(90)


def watch(ledger: RunningLedger, token: str = "", **fields: Any) -> Any:
    """Open a stream."""
    return ledger.stub.WatchTransactions(
        ledger_pb2.WatchTransactionsRequest(resume_token=token, **fields), timeout=TIMEOUT_S
    )


def names(changes: Any) -> list[tuple[str, int]]:
    """Id and version of each change."""
    return [(change.tx_id, change.version) for change in changes]


async def test_a_stream_shows_what_is_recorded_from_now_on(mongo_url: str) -> None:
    """A watcher is shown every later change with its events, version, status and accounts, and nothing earlier."""
    async with running_ledger(mongo_url) as ledger:
        await ledger.record(captured("before"))
        stream = watch(ledger)
        hello = await stream.read()
        assert not hello.changes
        assert hello.resume_token
        await ledger.record(captured("T-1", 5_000, description="tea"), risk=3)
        await ledger.record(refunded("T-1", 2_000, event_id="r-1"), refunded("T-1", 3_000, event_id="r-2"))
        # Events of one batch are one write, and so one change.
        changes, _ = await first_changes(stream, 2)
        stream.cancel()
    assert [change.tx_id for change in changes] == ["T-1", "T-1"]
    created = changes[0]
    assert (created.version, created.status) == (1, payment_pb2.PAYMENT_STATUS_SUCCESS)
    assert (created.sender_account, created.receiver_account) == ("alice", "shop")
    assert (created.risk_level, created.outcome) == (risk_pb2.RISK_LEVEL_HIGH, ledger_pb2.OUTCOME_CREATED)
    assert created.events[0].description == "tea"
    assert created.events[0].amount.minor_units == 5_000
    assert created.recorded_at_ms > 0
    assert [event.event_id for change in changes[1:] for event in change.events] == ["r-1", "r-2"]
    last = changes[-1]
    assert (last.version, last.status) == (3, payment_pb2.PAYMENT_STATUS_REFUNDED)
    assert last.sender_account == "alice"


async def test_a_replayed_change_shows_the_status_of_its_own_time(mongo_url: str) -> None:
    """Changes read later than newer ones of the same payment are not told with the newer status."""
    async with running_ledger(mongo_url, limits=WatchLimits(linger_s=0)) as ledger:
        stream = watch(ledger)
        token = (await stream.read()).resume_token
        stream.cancel()
        await ledger.record(captured("T-1", 5_000))
        # Its status and totals stay as they are, so the update does not even write the status.
        pending = payment_pb2.PaymentEvent(tx_id="T-1", event_id="p", kind=payment_pb2.EVENT_KIND_PENDING)
        await ledger.record(pending)
        await ledger.record(refunded("T-1", 5_000))
        for _ in range(500):
            if not ledger.hub.holds(token):
                break
            await asyncio.sleep(0.01)
        stream = watch(ledger, token)
        changes, _ = await first_changes(stream, 3)
        stream.cancel()
    assert [(change.version, change.status) for change in changes] == [
        (1, payment_pb2.PAYMENT_STATUS_SUCCESS),
        (2, payment_pb2.PAYMENT_STATUS_SUCCESS),
        (3, payment_pb2.PAYMENT_STATUS_REFUNDED),
    ]
    assert changes[1].outcome == ledger_pb2.OUTCOME_STALE


async def test_bookkeeping_is_not_shown(mongo_url: str) -> None:
    """A write that does not raise the version, as the analysis queue's, is no change."""
    async with running_ledger(mongo_url) as ledger:
        stream = watch(ledger)
        await stream.read()
        await ledger.record(captured("T-1"))
        await ledger.database["transactions"].update_one({}, {"$set": {"analysis.attempts": 1}})
        await ledger.record(captured("T-2"))
        changes, _ = await first_changes(stream, 2)
        stream.cancel()
    assert names(changes) == [("T-1", 1), ("T-2", 1)]


@pytest.mark.parametrize("ring_max", [0, 37, 10_000])
async def test_any_token_resumes_without_gap_or_repeat(mongo_url: str, ring_max: int) -> None:
    """From the token of any message, in memory or far behind, exactly the rest follows, while more is recorded."""
    limits = WatchLimits(group_max=16, ring_max=ring_max, behind_max=20_000)
    async with running_ledger(mongo_url, limits=limits) as ledger:
        stream = watch(ledger)
        start = (await stream.read()).resume_token
        await ledger.record(*[captured(f"T-{number}") for number in range(300)])
        changes, messages = await first_changes(stream, 300)
        everything = names(changes)
        assert len(everything) == len(set(everything)) == 300
        seen = 0
        streams = []
        for message in messages[::5]:
            position = messages.index(message)
            seen = sum(len(earlier.changes) for earlier in messages[: position + 1])
            streams.append((watch(ledger, message.resume_token), seen))
        streams.append((watch(ledger, start), 0))
        await ledger.record(*[captured(f"U-{number}") for number in range(100)])
        for resumed, before in streams:
            rest, _ = await first_changes(resumed, 400 - before)
            assert names(rest)[: 300 - before] == everything[before:]
            assert len(set(names(rest))) == len(rest) == 400 - before
            resumed.cancel()
        stream.cancel()


async def test_filters_choose_and_the_token_still_moves(mongo_url: str) -> None:
    """A filtered stream shows only what passes; its heartbeats carry a position behind what did not."""
    async with running_ledger(mongo_url) as ledger:
        wanted = ledger_pb2.TransactionFilter(source="partner", currency="EUR", amount_min=2_000)
        stream = watch(ledger, filter=wanted, heartbeat_ms=1_000)
        token = (await stream.read()).resume_token
        await ledger.record(captured("no-1", 9_000))
        await ledger.record(captured("yes", 2_000), captured("no-2", 1_999), source="partner")
        changes, messages = await first_changes(stream, 1)
        assert names(changes) == [("yes", 1)]
        await ledger.record(captured("no-3", 9_000, "USD"), source="partner")
        beat = await stream.read()
        assert not beat.changes
        assert token < messages[-1].resume_token < beat.resume_token
        stream.cancel()


async def test_a_silent_stream_beats(mongo_url: str) -> None:
    """Without changes an empty message comes after the heartbeat's time."""
    async with running_ledger(mongo_url) as ledger:
        stream = watch(ledger, heartbeat_ms=1_000)
        await stream.read()
        loop = asyncio.get_running_loop()
        started = loop.time()
        beat = await stream.read()
        assert not beat.changes
        assert 0.9 < loop.time() - started < 2.0
        stream.cancel()


async def test_a_slow_reader_is_told_and_loses_nothing(mongo_url: str) -> None:
    """A reader too far behind gets RESOURCE_EXHAUSTED with its last token, and resumes from it without loss."""
    limits = WatchLimits(behind_max=400, ring_max=100)
    async with running_ledger(mongo_url, limits=limits) as ledger:
        stream = watch(ledger)
        await stream.read()
        # gRPC itself buffers some megabytes, so there has to be much more than the bound.
        aliases = [f"{number:0200}" for number in range(16)]
        for batch in range(20):
            await ledger.record(*[captured(f"T-{batch}-{number}", aliases=aliases) for number in range(200)])
        await asyncio.sleep(0.5)
        seen: list[tuple[str, int]] = []

        async def read_on() -> None:
            while True:
                seen.extend(names((await stream.read()).changes))

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await read_on()
        fault = from_rpc_error(refused.value)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert fault.reason == "SLOW_READER"
        assert 0 < len(seen) < 4_000
        stream = watch(ledger, fault.metadata["resume_token"])
        rest, _ = await first_changes(stream, 4_000 - len(seen))
        stream.cancel()
    assert len(seen) + len(rest) == 4_000
    assert len({*seen, *names(rest)}) == 4_000


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "82",
        "00" * 20,
        "8263000000",
        # In the year 2106.
        "82FFFFFFFF000000012B0229296E04",
        "é" * 20,
        "82" * 3_000,
        "\0",
        "8263" + "AB" * 40,
    ],
)
async def test_what_is_no_token_is_refused(mongo_url: str, token: str) -> None:
    """Garbage, however it looks, is INVALID_ARGUMENT with TOKEN_INVALID."""
    async with running_ledger(mongo_url) as ledger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await watch(ledger, token).read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(refused.value).reason == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"heartbeat_ms": 999}, "heartbeat_ms"),
        ({"heartbeat_ms": -1}, "heartbeat_ms"),
        ({"filter": {"source": "A"}}, "filter.source"),
        ({"filter": {"currency": "EUR", "amount_min": 5, "amount_max": 4}}, "filter.amount_max"),
        ({"filter": {"amount_min": 5}}, "filter.currency"),
        ({"filter": {"status": 99}}, "filter.status"),
        ({"filter": {"risk_level": -1}}, "filter.risk_level"),
    ],
)
async def test_a_wrong_field_is_named(mongo_url: str, fields: dict[str, Any], field: str) -> None:
    """A request that makes no sense is INVALID_ARGUMENT and names the field."""
    async with running_ledger(mongo_url) as ledger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await watch(ledger, **fields).read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [wrong.field for wrong in from_rpc_error(refused.value).fields] == [field]


async def test_the_stream_is_open_only_while_somebody_watches(mongo_url: str) -> None:
    """The last watcher gone, the server's cursor is closed; a hundred watchers share one."""
    async with running_ledger(mongo_url, limits=WatchLimits(linger_s=0)) as ledger:
        assert await open_streams(ledger) == []
        streams = [watch(ledger) for _ in range(100)]
        for stream in streams:
            await stream.read()
        assert len(await open_streams(ledger)) == 1
        await ledger.record(captured("T-1"))
        for stream in streams:
            assert names((await first_changes(stream, 1))[0]) == [("T-1", 1)]
            stream.cancel()
        for _ in range(200):
            if not await open_streams(ledger):
                break
            await asyncio.sleep(0.02)
        assert await open_streams(ledger) == []


async def open_streams(ledger: RunningLedger) -> list[int]:
    """The ids of the change streams that the server has open on this database."""
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"idleCursors": True, "allUsers": True, "localOps": True}},
        {"$match": {"ns": f"{ledger.database.name}.transactions", "cursor.tailable": True}},
    ]
    operations = await ledger.database.client.admin.aggregate(pipeline).to_list(None)
    return [operation["cursor"]["cursorId"] for operation in operations]


async def test_a_killed_cursor_is_resumed_unnoticed(mongo_url: str) -> None:
    """When the server loses the cursor, the watcher's stream goes on without gap or repeat."""
    async with running_ledger(mongo_url) as ledger:
        stream = watch(ledger)
        await stream.read()
        for round_number in range(3):
            await ledger.record(*[captured(f"T-{round_number}-{number}") for number in range(20)])
            ids: list[int] = []
            # Between two reads of a batch the cursor shows for a moment neither as idle nor as running.
            while not ids:
                ids = await open_streams(ledger)
            await ledger.database.command({"killCursors": "transactions", "cursors": ids})
            await ledger.record(*[captured(f"U-{round_number}-{number}") for number in range(20)])
        changes, _ = await first_changes(stream, 120)
        stream.cancel()
    assert len(set(names(changes))) == len(changes) == 120


@pytest.mark.slow
async def test_a_stream_goes_on_across_a_failover(start_mongo: Callable[..., EmbeddedMongo]) -> None:
    """The primary killed, every change acknowledged before and after is streamed once."""
    mongo = await asyncio.to_thread(start_mongo, members=3)
    async with running_ledger(mongo.url) as ledger:
        stream = watch(ledger)
        await stream.read()
        acknowledged: set[tuple[str, int]] = set()

        async def write() -> None:
            number = 0
            while True:
                number += 1
                # An answer lost in the fail-over may still have been recorded: the same event is sent again.
                event = captured(f"T-{number}")
                while True:
                    try:
                        await ledger.record(event)
                        break
                    except (AssertionError, grpc.aio.AioRpcError):
                        await asyncio.sleep(0.1)
                acknowledged.add((f"T-{number}", 1))

        writer = asyncio.create_task(write())
        await asyncio.sleep(1)
        await asyncio.to_thread(lambda: mongo.kill(mongo.primary()))
        before = len(acknowledged)
        while len(acknowledged) < before + 100:
            await asyncio.sleep(0.1)
            assert not writer.done()
        writer.cancel()
        changes, _ = await first_changes(stream, len(acknowledged))
        stream.cancel()
    assert len(set(names(changes))) == len(changes)
    assert acknowledged <= set(names(changes))
