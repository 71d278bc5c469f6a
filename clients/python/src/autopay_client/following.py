"""Streams that break: where a watcher resumes, how long one is opened again, when it is given up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import grpc
from autopay.ledger.v1 import ledger_pb2

from autopay_client.errors import LedgerError
from autopay_client.retrying import Backoff

# Every call needs a deadline; a stream that reaches it is resumed like one that broke.
STREAM_S_MAX: Final = 3_600.0
# Said by gRPC itself of a connection that ended under a stream: by a drain, a proxy, a crash.
_BROKEN: Final = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})


def ended() -> LedgerError:
    """Return the error of a stream that a stopping server ended in good order: a break like any other."""
    return LedgerError(code=grpc.StatusCode.UNAVAILABLE, reason="", message="The stream ended.")


class Patience:
    """How long a stream that breaks is opened again."""

    def __init__(
        self,
        patience_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        """Give up after failing for `patience_s`."""
        self._patience_s = patience_s
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._failing_since: float | None = None

    def reset(self) -> None:
        """Something was received."""
        self._failing_since = None
        self._backoff.reset()

    def pause_s(self, error: LedgerError) -> float:
        """Return how long to wait before opening the stream again.

        Raises:
            LedgerError: the given one, where that would not help, or has not for too long.
        """
        now = self._clock()
        self._failing_since = now if self._failing_since is None else self._failing_since
        broken = error.code in _BROKEN and not error.reason
        if not (broken or error.retryable) or now - self._failing_since > self._patience_s:
            raise error
        return (error.retry_after_s or 0.0) + self._backoff.draw_s()


class Place:
    """A watcher's place in the stream of changes; one message is taken whole, so no change is missed or repeated."""

    def __init__(self, request: ledger_pb2.WatchTransactionsRequest, patience: Patience) -> None:
        """Start where the request says."""
        self.request = request
        self.resume_token = request.resume_token
        self.patience = patience
        self._waiting: list[ledger_pb2.TransactionChange] = []

    @property
    def begun(self) -> bool:
        """Whether there is a token to resume from: every change from now on will be seen."""
        return bool(self.request.resume_token)

    def received(self, message: ledger_pb2.WatchTransactionsResponse) -> None:
        """Take a message: the stream is resumed behind it from now on."""
        self.patience.reset()
        self.request.resume_token = message.resume_token
        self._waiting = list(reversed(message.changes))
        if not self._waiting:
            self.resume_token = message.resume_token

    def next_change(self) -> ledger_pb2.TransactionChange | None:
        """Return the next change of the message, None where another message is needed.

        `resume_token` moves on with the last change of each message, so a watcher that stores it after each change
        and starts again from there misses nothing.
        """
        if not self._waiting:
            return None
        change = self._waiting.pop()
        if not self._waiting:
            self.resume_token = self.request.resume_token
        return change
