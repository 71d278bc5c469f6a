"""Where a watcher stands: which token it resumes from, when it connects again, when it gives up."""

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
# A server that is stopping may end the stream in good order, which to a watcher is a break like any other.
ENDED: Final = LedgerError(code=grpc.StatusCode.UNAVAILABLE, reason="", message="The stream ended.")
# Said by gRPC itself of a connection that ended under a stream: by a drain, a proxy, a crash.
_BROKEN: Final = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})


class Place:
    """A watcher's place in the stream of changes; one message is taken whole, so no change is missed or repeated."""

    def __init__(
        self,
        request: ledger_pb2.WatchTransactionsRequest,
        *,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        """Start where the request says; give up after failing for `patience_s`."""
        self.request = request
        self.resume_token = request.resume_token
        self._patience_s = patience_s
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._failing_since: float | None = None
        self._waiting: list[ledger_pb2.TransactionChange] = []

    @property
    def begun(self) -> bool:
        """Whether there is a token to resume from: every change from now on will be seen."""
        return bool(self.request.resume_token)

    def received(self, message: ledger_pb2.WatchTransactionsResponse) -> None:
        """Take a message: the stream is resumed behind it from now on."""
        self._failing_since = None
        self._backoff.reset()
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

    def failed(self, error: LedgerError) -> float:
        """Return how long to wait before connecting again.

        Raises:
            LedgerError: the given one, where connecting again would not help, or has not for too long.
        """
        now = self._clock()
        self._failing_since = now if self._failing_since is None else self._failing_since
        broken = error.code in _BROKEN and not error.reason
        if not (broken or error.retryable) or now - self._failing_since > self._patience_s:
            raise error
        return (error.retry_after_s or 0.0) + self._backoff.draw_s()
