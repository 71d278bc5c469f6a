"""Where a watcher of the client stands."""

from __future__ import annotations

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay_client.errors import LedgerError
from autopay_client.following import Patience, Place, ended
from autopay_client.retrying import Backoff


def message(token: str, *tx_ids: str) -> ledger_pb2.WatchTransactionsResponse:
    """A message of changes, or a heartbeat."""
    changes = [ledger_pb2.TransactionChange(source="orders", tx_id=tx_id, version=1) for tx_id in tx_ids]
    return ledger_pb2.WatchTransactionsResponse(changes=changes, resume_token=token)


def place(token: str = "", *, patience_s: float = 60.0, now: list[float] | None = None) -> Place:
    """A watcher's place, on a clock that stands unless told."""
    clock = now or [0.0]
    request = ledger_pb2.WatchTransactionsRequest(resume_token=token)
    backoff = Backoff(lambda _low, high: high)
    return Place(request, Patience(patience_s, clock=lambda: clock[0], backoff=backoff))


def error(code: str, reason: str = "", retry_after_s: float | None = None) -> LedgerError:
    """An error of this code."""
    return LedgerError(code=grpc.StatusCode[code], reason=reason, message="", retry_after_s=retry_after_s)


def taken(at: Place) -> list[tuple[str, str]]:
    """Every change of the message at hand, with the token to keep after it."""
    found = []
    while (change := at.next_change()) is not None:
        found.append((change.tx_id, at.resume_token))
    return found


def test_the_token_to_keep_moves_on_with_the_last_change_of_a_group() -> None:
    """Whoever stores it after each change and starts again from there misses nothing."""
    at = place("t0")
    assert at.resume_token == "t0"
    at.received(message("t1", "A", "B", "C"))
    assert taken(at) == [("A", "t0"), ("B", "t0"), ("C", "t1")]
    at.received(message("t2"))
    assert (at.next_change(), at.resume_token) == (None, "t2")


def test_a_stream_that_broke_is_resumed_behind_the_last_whole_message() -> None:
    """Changes of a message at hand are not asked for again."""
    at = place()
    begun = [at.begun]
    at.received(message("t1"))
    assert [*begun, at.begun] == [False, True]
    at.received(message("t2", "A", "B"))
    assert at.next_change() is not None
    at.patience.pause_s(error("UNAVAILABLE"))
    assert at.request.resume_token == "t2"
    assert taken(at) == [("B", "t2")]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED", "UNKNOWN", "INTERNAL"])
def test_a_break_is_followed_by_another_attempt(code: str) -> None:
    """A drain, a proxy, a crash, a reader that was too slow: none of them loses a change."""
    at = place()
    assert [at.patience.pause_s(error(code)) for _ in range(3)] == [0.05, 0.1, 0.2]
    at.received(message("t1"))
    assert at.patience.pause_s(error(code)) == 0.05
    assert at.patience.pause_s(ended()) == 0.1
    assert at.patience.pause_s(error("RESOURCE_EXHAUSTED", retry_after_s=3.0)) == 3.2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("OUT_OF_RANGE", "TOKEN_TOO_OLD"),
        ("INVALID_ARGUMENT", "TOKEN_INVALID"),
        ("PERMISSION_DENIED", "FORBIDDEN"),
        ("INTERNAL", "INTERNAL"),
        ("UNIMPLEMENTED", ""),
    ],
)
def test_what_another_attempt_can_not_change_is_raised(code: str, reason: str) -> None:
    """History that is gone has to be read another way, and a bug is a bug."""
    with pytest.raises(LedgerError):
        place("t0").patience.pause_s(error(code, reason))


def test_patience_ends() -> None:
    """A ledger that stays away is an error once the watcher has tried for as long as it was told to."""
    now = [0.0]
    at = place("t0", patience_s=10.0, now=now)
    # Silence before the first failure doesn't count: a consumer may take its time.
    now[0] = 1_000.0
    at.patience.pause_s(error("UNAVAILABLE"))
    now[0] += 10.0
    at.patience.pause_s(error("UNAVAILABLE"))
    now[0] += 0.1
    with pytest.raises(LedgerError):
        at.patience.pause_s(error("UNAVAILABLE"))
    at.received(message("t1"))
    at.patience.pause_s(error("UNAVAILABLE"))
