"""A watch of the synchronous client."""

from __future__ import annotations

import time
from typing import Any, Self

import grpc
from autopay.ledger.v1 import ledger_pb2

from autopay_client.channel import Channels
from autopay_client.errors import from_rpc_error
from autopay_client.following import STREAM_S_MAX, Place, ended


class Watch:
    """Changes as they happen; iterate, and keep `resume_token` to go on from here another day."""

    def __init__(self, channels: Channels, place: Place) -> None:
        self._channels = channels
        self._place = place
        self._stream: Any = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def resume_token(self) -> str:
        """Resumes behind the last change returned (before it, within a group of changes written at once)."""
        return self._place.resume_token

    def close(self) -> None:
        """End the iteration, from any thread."""
        self._closed = True
        if self._stream is not None:
            self._stream.cancel()

    def ready(self) -> Self:
        """Wait until the stream has begun: every change from here on will be seen."""
        while not self._place.begun and not self._closed:
            self._receive()
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ledger_pb2.TransactionChange:
        while not self._closed:
            change = self._place.next_change()
            if change is not None:
                return change
            self._receive()
        raise StopIteration

    def _receive(self) -> None:
        """Take the next message; connect first where there is no stream, pause where it broke."""
        try:
            if self._stream is None:
                self._stream = self._channels.stub.WatchTransactions(self._place.request, timeout=STREAM_S_MAX)
            if self._closed:
                # Meanwhile, from another thread that found no stream to end.
                self._stream.cancel()
                return
            message = next(self._stream, None)
            error = ended()
        except grpc.RpcError as failure:
            message, error = None, from_rpc_error(failure)
        if message is not None:
            self._place.received(message)
        elif not self._closed:
            self._stream = None
            pause_s = self._place.patience.pause_s(error)
            self._channels.renew()
            time.sleep(pause_s)
