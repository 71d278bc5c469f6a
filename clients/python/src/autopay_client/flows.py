"""What the client does, without doing it: generators that yield the calls and pauses, which a client then makes.

So the synchronous and the asynchronous client share every decision, and differ only in how they wait.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from autopay.ledger.v1 import ledger_pb2
from google.protobuf.message import Message

from autopay_client.errors import LedgerError, from_record_error
from autopay_client.retrying import Attempts

_ITEMS_MAX: Final = 256
_BATCH_BYTES_MAX: Final = 1024 * 1024
_NAMES_MAX: Final = 1_000

Name = tuple[str, str]
Items = Sequence[ledger_pb2.RecordItem]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Ask:
    """Make this call; go on with its answer, or throw its LedgerError in."""

    method: str
    request: Message
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Flow = Generator[Ask | Pause, Any, ResultT]


def once(method: str, request: Message, timeout_s: float) -> Flow[Any]:
    """Call once: what a second call would do twice."""
    return (yield Ask(method, request, timeout_s))


def repeated(method: str, request: Message, attempts: Attempts) -> Flow[Any]:
    """Call until there is an answer, as far as the deadline and the kind of error allow.

    Raises:
        LedgerError: the last error.
    """
    while True:
        try:
            return (yield Ask(method, request, attempts.attempt_s()))
        except LedgerError as error:
            yield Pause(attempts.pause_s(error))


def record(items: Items, attempts: Attempts) -> Flow[Sequence[ledger_pb2.RecordResult]]:
    """Record a batch; items that failed and may succeed are sent again, under their delivery ids, until the deadline.

    Raises:
        LedgerError: the call failed as a whole, and none of its items is known to be recorded.
    """
    results = [ledger_pb2.RecordResult()] * len(items)
    open_places = list(range(len(items)))
    while True:
        request = ledger_pb2.RecordRequest(items=[items[place] for place in open_places])
        answer = yield from repeated("Record", request, attempts)
        for place, result in zip(open_places, answer.results, strict=True):
            results[place] = result
        open_places = [place for place in open_places if results[place].error.retryable]
        pause_s = attempts.pause_if_any_s() if open_places else None
        if pause_s is None:
            return results
        yield Pause(pause_s)


def record_one(item: ledger_pb2.RecordItem, attempts: Attempts) -> Flow[ledger_pb2.RecordResult]:
    """Record one item.

    Raises:
        LedgerError: the call or the item failed.
    """
    (result,) = yield from record([item], attempts)
    if result.HasField("error"):
        raise from_record_error(result.error)
    return result


def batches(items: Iterable[ledger_pb2.RecordItem]) -> Iterator[Items]:
    """Yield the items in batches that Record takes: up to 256 items, up to a MiB."""
    batch: list[ledger_pb2.RecordItem] = []
    size = 0
    for item in items:
        item_size = item.ByteSize()
        if batch and (len(batch) == _ITEMS_MAX or size + item_size > _BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item_size
    if batch:
        yield batch


def batch_get(names: Iterable[Name], timeout_s: float) -> Flow[dict[Name, ledger_pb2.Transaction]]:
    """Read payments by name, in calls of 1,000.

    Raises:
        LedgerError: a call failed.
    """
    wanted = list(dict.fromkeys(names))
    found: dict[Name, ledger_pb2.Transaction] = {}
    for start in range(0, len(wanted), _NAMES_MAX):
        some = wanted[start : start + _NAMES_MAX]
        request = ledger_pb2.BatchGetTransactionsRequest(
            names=[ledger_pb2.TransactionName(source=source, tx_id=tx_id) for source, tx_id in some]
        )
        answer = yield from repeated("BatchGetTransactions", request, Attempts(timeout_s))
        found.update({(each.source, each.tx_id): each for each in answer.transactions})
    return found
