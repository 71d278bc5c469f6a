"""A watch of the asyncio client."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import grpc
from autopay.ledger.v1 import ledger_pb2

from autopay_client.channel import Channels
from autopay_client.errors import from_rpc_error
from autopay_client.following import STREAM_S_MAX, Place, ended


class AsyncWatch:
    """Changes as they happen; iterate, and keep `resume_token` to go on from here another day."""

    def __init__(self, channels: Channels, place: Place) -> None:
        self._channels = channels
        self._place = place
        self._stream: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    @property
    def resume_token(self) -> str:
        """Resumes behind the last change returned (before it, within a group of changes written at once)."""
        return self._place.resume_token

    def close(self) -> None:
        """End the stream; don't iterate afterwards."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    async def ready(self) -> Self:
        """Wait until the stream has begun: every change from here on will be seen."""
        while not self._place.begun:
            await self._receive()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ledger_pb2.TransactionChange:
        while True:
            change = self._place.next_change()
            if change is not None:
                return change
            await self._receive()

    async def _receive(self) -> None:
        """Take the next message; connect first where there is no stream, pause where it broke."""
        error = ended()
        try:
            if self._stream is None:
                self._stream = self._channels.stub.WatchTransactions(self._place.request, timeout=STREAM_S_MAX)
            message = await self._stream.read()
        except asyncio.CancelledError:
            # gRPC ends the stream of a reader that is cancelled, by a timeout for example; the next one resumes it.
            self._stream = None
            raise
        except grpc.aio.AioRpcError as failure:
            message, error = grpc.aio.EOF, from_rpc_error(failure)
        if message is not grpc.aio.EOF:
            self._place.received(message)
            return
        self._stream = None
        pause_s = self._place.patience.pause_s(error)
        self._channels.renew()
        await asyncio.sleep(pause_s)
