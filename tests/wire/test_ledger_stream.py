"""RecordStream over a real connection: answers in order, flow control, and partial failure that names the item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2

from mesh.errors import Fault, Kind, from_rpc_error
from services.ledger.intake import Intake
from services.ledger.model import Item, ItemResult
from tests.wire.record_ledger import Ledger, fact, item

Request = ledger_pb2.RecordStreamRequest


def batch(number: int, size: int = 5) -> Request:
    """A batch of new payments."""
    return Request(items=[item(f"d-{number}-{place}", fact(f"T-{number}-{place}")) for place in range(size)])


async def outcomes(ledger: Ledger, requests: Sequence[Request]) -> list[list[int]]:
    """What became of each item of each batch: its first outcome, 0 where it failed."""

    async def send() -> AsyncIterator[Request]:
        for request in requests:
            yield request

    return [
        [result.events[0].outcome if result.events else 0 for result in answer.results]
        async for answer in ledger.stub.RecordStream(send(), timeout=20)
    ]


async def test_batches_are_answered_in_their_order(ledger: Ledger) -> None:
    """Every batch is answered once, in order, each item in its place; repeated, all are duplicates."""
    requests = [batch(number, size=1 + number % 7) for number in range(30)]
    first = await outcomes(ledger, requests)
    assert first == [[ledger_pb2.OUTCOME_CREATED] * (1 + number % 7) for number in range(30)]
    assert len(ledger.rig.payments.documents) == sum(1 + number % 7 for number in range(30))


async def test_a_wrong_item_fails_alone_and_by_name(ledger: Ledger) -> None:
    """An item with a wrong field is refused naming it; its neighbours and the batches after it are recorded."""
    wrong = batch(1)
    wrong.items[3].events[0].event.tx_id = "no spaces allowed"
    stream = ledger.stub.RecordStream(timeout=20)
    for request in (batch(0), wrong, batch(2)):
        await stream.write(request)
    await stream.done_writing()
    answers = [await stream.read() for _ in range(3)]
    assert await stream.read() is grpc.aio.EOF
    error = answers[1].results[3].error
    assert (error.reason, error.field) == (error_pb2.ERROR_REASON_INVALID_FIELD, "items[3].events[0].event.tx_id")
    recorded = [result for answer in answers for result in answer.results if not result.HasField("error")]
    assert len(recorded) == 14
    assert all(result.events[0].outcome == ledger_pb2.OUTCOME_CREATED for result in recorded)


@pytest.mark.parametrize(
    ("malformed", "kind"), [(Request(), Kind.INVALID), (batch(1, size=257), Kind.OUT_OF_RANGE)], ids=["empty", "large"]
)
async def test_a_malformed_batch_ends_the_stream_after_the_answers_before_it(
    ledger: Ledger, malformed: Request, kind: Kind
) -> None:
    """Earlier batches are recorded and answered; then the stream ends, saying what is wrong."""
    stream = ledger.stub.RecordStream(timeout=20)
    await stream.write(batch(0))
    await stream.write(malformed)
    assert len((await stream.read()).results) == 5
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stream.read()
    assert from_rpc_error(ended.value).kind is kind
    assert len(ledger.rig.payments.documents) == 5


async def test_items_of_a_batch_that_got_lost_are_retryable_by_name(ledger: Ledger) -> None:
    """While storage gives no answer each item fails, retryable, and the stream goes on; sent again none is doubled."""
    stream = ledger.stub.RecordStream(timeout=20)
    ledger.rig.payments.fail("insert_new")
    await stream.write(batch(0))
    answer = await stream.read()
    assert {result.error.reason for result in answer.results} == {error_pb2.ERROR_REASON_NOT_DURABLE}
    assert all(result.error.retryable for result in answer.results)
    ledger.rig.payments.heal()
    await stream.write(batch(0))
    answer = await stream.read()
    assert not any(result.HasField("error") for result in answer.results)
    await stream.done_writing()
    assert len(ledger.rig.payments.documents) == 5


async def test_a_full_queue_slows_the_stream_down(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal for a full queue is waited out, not handed to the sender."""
    refusals = 3
    record = Intake.record

    async def full_at_first(intake: Intake, items: Sequence[Item], *, size: int) -> Sequence[ItemResult]:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise Fault(kind=Kind.EXHAUSTED, reason="OVERLOADED", message="full")
        return await record(intake, items, size=size)

    monkeypatch.setattr(Intake, "record", full_at_first)
    answers = await outcomes(ledger, [batch(number) for number in range(4)])
    assert answers == [[ledger_pb2.OUTCOME_CREATED] * 5] * 4
    assert refusals == 0


async def test_a_sender_gets_no_further_than_the_answers_taken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the ledger is busy with the batches it has, the next ones stay with their sender."""
    begun, go_on = 0, asyncio.Event()
    record = Intake.record

    async def held(intake: Intake, items: Sequence[Item], *, size: int) -> Sequence[ItemResult]:
        nonlocal begun
        begun += 1
        await go_on.wait()
        return await record(intake, items, size=size)

    monkeypatch.setattr(Intake, "record", held)
    sending = asyncio.create_task(outcomes(ledger, [batch(number) for number in range(40)]))
    await asyncio.sleep(0.5)
    assert begun == 4
    go_on.set()
    assert len(await sending) == 40
