"""When the client tries again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2
from autopay_client import flows
from autopay_client.errors import LedgerError
from autopay_client.retrying import Attempts, Backoff

GET = ledger_pb2.GetTransactionRequest(source="orders", tx_id="T-1")
FOUND = ledger_pb2.GetTransactionResponse()


class Peer:
    """Makes the calls of a flow: answers in turn (raising those that are errors), on a clock that it moves itself."""

    def __init__(self, *answers: Any, call_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.calls: list[flows.Ask] = []
        self.pauses: list[float] = []
        self._answers = list(answers)
        self._call_s = call_s

    def attempts(self, timeout_s: float = 5.0) -> Attempts:
        """Attempts whose pauses are as long as they may be."""
        return Attempts(timeout_s, clock=lambda: self.now_s, draw=lambda _low, high: high)

    def run(self, flow: flows.Flow[Any]) -> Any:
        """Run a flow to its end, and return what it ends with."""
        step = next(flow)
        try:
            while True:
                if isinstance(step, flows.Pause):
                    self.pauses.append(step.seconds)
                    self.now_s += step.seconds
                    step = flow.send(None)
                    continue
                self.calls.append(step)
                self.now_s += min(self._call_s, step.timeout_s)
                answer = self._answers.pop(0)
                step = flow.throw(answer) if isinstance(answer, LedgerError) else flow.send(answer)
        except StopIteration as done:
            return done.value


def error(code: str, retry_after_s: float | None = None) -> LedgerError:
    """An error of this code."""
    return LedgerError(code=grpc.StatusCode[code], reason="", message="", retry_after_s=retry_after_s)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
def test_what_may_pass_is_tried_again(code: str) -> None:
    """A replica that is away, a lost race, a full queue, one that is frozen: the next attempt may succeed."""
    peer = Peer(error(code), error(code), FOUND)
    assert peer.run(flows.repeated("GetTransaction", GET, peer.attempts())) is FOUND
    assert [call.method for call in peer.calls] == ["GetTransaction"] * 3


@pytest.mark.parametrize(
    "code",
    ["INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNIMPLEMENTED", "OUT_OF_RANGE", "INTERNAL", "UNKNOWN"],
)
def test_what_will_not_pass_is_raised_at_once(code: str) -> None:
    """A wrong request stays wrong."""
    peer = Peer(error(code))
    with pytest.raises(LedgerError) as raised:
        peer.run(flows.repeated("GetTransaction", GET, peer.attempts()))
    assert raised.value.code is grpc.StatusCode[code]
    assert len(peer.calls) == 1


def test_what_may_not_be_repeated_is_called_once() -> None:
    """A call that would do something twice is not retried, whatever the error."""
    peer = Peer(error("UNAVAILABLE"))
    with pytest.raises(LedgerError):
        peer.run(flows.once("ResolveDelivery", GET, 5.0))
    assert [call.timeout_s for call in peer.calls] == [5.0]


def test_all_attempts_end_within_one_deadline() -> None:
    """A peer that never answers costs the caller its deadline, in several attempts that each may take a part of it."""
    peer = Peer(*[error("DEADLINE_EXCEEDED")] * 20, call_s=60.0)
    with pytest.raises(LedgerError):
        peer.run(flows.repeated("GetTransaction", GET, peer.attempts(5.0)))
    assert 4.0 < peer.now_s - 100.0 <= 5.0
    assert 2 <= len(peer.calls) <= 5
    assert peer.calls[0].timeout_s == pytest.approx(3.0)


def test_pauses_grow_to_a_second_and_are_drawn_from_nothing_on() -> None:
    """Full jitter: between zero and a limit that doubles."""
    limits: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        limits.append((low, high))
        return low

    backoff = Backoff(draw)
    assert [backoff.draw_s() for _ in range(7)] == [0.0] * 7
    assert limits == [(0.0, high) for high in (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0)]


def test_a_server_s_wish_to_wait_is_honoured() -> None:
    """RetryInfo's delay comes before the drawn pause; beyond the deadline the error is raised without waiting."""
    peer = Peer(error("RESOURCE_EXHAUSTED", retry_after_s=2.0), FOUND)
    peer.run(flows.repeated("GetTransaction", GET, peer.attempts()))
    assert peer.pauses == [2.05]
    peer = Peer(error("RESOURCE_EXHAUSTED", retry_after_s=9.0))
    with pytest.raises(LedgerError):
        peer.run(flows.repeated("GetTransaction", GET, peer.attempts()))
    assert peer.pauses == []


def result(*, retryable: bool | None = None) -> ledger_pb2.RecordResult:
    """A result: recorded, or failed for now or for good."""
    if retryable is None:
        return ledger_pb2.RecordResult(disposition=ledger_pb2.DISPOSITION_RECORDED)
    failed = ledger_pb2.RecordError(code=14, reason=error_pb2.ERROR_REASON_NOT_DURABLE, retryable=retryable)
    return ledger_pb2.RecordResult(error=failed)


def answer(*results: ledger_pb2.RecordResult) -> ledger_pb2.RecordResponse:
    """A whole answer."""
    return ledger_pb2.RecordResponse(results=results)


def items(count: int, size: int = 0) -> Sequence[ledger_pb2.RecordItem]:
    """Items of different delivery ids."""
    return [ledger_pb2.RecordItem(delivery_id=f"d-{n}", disposition_detail="x" * size) for n in range(count)]


def test_only_items_that_may_succeed_are_sent_again() -> None:
    """They keep their delivery ids, and the results stand in the order of the items."""
    peer = Peer(
        answer(result(), result(retryable=True), result(retryable=False), result(retryable=True)),
        error("UNAVAILABLE"),
        answer(result(retryable=True), result()),
        answer(result()),
    )
    found = peer.run(flows.record(items(4), peer.attempts()))
    assert [each.HasField("error") for each in found] == [False, False, True, False]
    sent = [[item.delivery_id for item in call.request.items] for call in peer.calls]  # type: ignore[attr-defined]
    assert sent == [["d-0", "d-1", "d-2", "d-3"], ["d-1", "d-3"], ["d-1", "d-3"], ["d-1"]]


def test_an_item_that_stays_undurable_says_so_at_the_deadline() -> None:
    """The batch ends in time, with what is known of each item; alone, the item's error is raised."""
    peer = Peer(*[answer(result(retryable=True))] * 50, call_s=0.4)
    (found,) = peer.run(flows.record(items(1), peer.attempts(2.0)))
    assert found.error.retryable
    assert peer.now_s <= 102.0
    peer = Peer(answer(result(retryable=False)))
    with pytest.raises(LedgerError, match="NOT_DURABLE"):
        peer.run(flows.record_one(items(1)[0], peer.attempts()))


def test_batches_stay_below_the_limits_of_record() -> None:
    """256 items, or a MiB; an item above that goes alone."""
    assert [len(batch) for batch in flows.batches(items(600))] == [256, 256, 88]
    assert [len(batch) for batch in flows.batches(items(10, size=300_000))] == [3, 3, 3, 1]
    assert [len(batch) for batch in flows.batches(items(2, size=2_000_000))] == [1, 1]
    assert list(flows.batches([])) == []


def test_names_are_read_in_thousands_and_once_each() -> None:
    """BatchGet takes 1,000 names; a name asked for twice is asked for once."""
    peer = Peer(*[ledger_pb2.BatchGetTransactionsResponse()] * 3)
    assert peer.run(flows.batch_get([("orders", f"T-{n % 2_100}") for n in range(5_000)], 5.0)) == {}
    assert [len(call.request.names) for call in peer.calls] == [1_000, 1_000, 100]  # type: ignore[attr-defined]
