"""A TLS channel that outlives its certificate: opened anew when it changes, while calls go on."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Final, Self

import grpc

from mesh.identity import Identity, Material

# The old channel's streams end at the server's max_connection_age and its grace (310 s); then it can be closed with
# nobody on it. Closing earlier would cancel them in this process, which looks like a cancellation of our own.
_RETIREMENT_S: Final = 330.0
_POLL_S: Final = 0.05

_READY: Final = grpc.ChannelConnectivity.READY


class _Method:
    """One method of a stub: bound to the channel of the day."""

    __slots__ = ("__weakref__", "_arguments", "_shape", "call")

    def __init__(self, channel: grpc.aio.Channel, shape: str, arguments: tuple[Any, ...]) -> None:
        self._shape = shape
        self._arguments = arguments
        self.bind(channel)

    def bind(self, channel: grpc.aio.Channel) -> None:
        """Make calls on `channel` from now on."""
        self.call = getattr(channel, self._shape)(*self._arguments)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the call."""
        return self.call(*args, **kwargs)


class ReloadingChannel(grpc.aio.Channel):
    """Stands for one channel after the other; stubs made on it always call over the current one."""

    def __init__(self, opened: Callable[[grpc.ChannelCredentials], grpc.aio.Channel], identity: Identity) -> None:
        """Open channels by `opened(credentials)`, a new one each time `identity` changes."""
        self._opened = opened
        self._identity = identity
        self._current = opened(channel_credentials(identity.material))
        self._methods: weakref.WeakSet[_Method] = weakref.WeakSet()
        self._retired: dict[grpc.aio.Channel, asyncio.TimerHandle] = {}
        self._renewal: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()
        identity.follow(self._changed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close every channel; calls still out get `grace` seconds."""
        self._identity.unfollow(self._changed)
        if self._renewal is not None:
            self._renewal.cancel()
        for timer in self._retired.values():
            timer.cancel()
        await asyncio.gather(*(channel.close(grace) for channel in (self._current, *self._retired)), *self._closings)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's own
        """Return the current channel's state."""
        return self._current.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the current channel has another state."""
        await self._current.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the current channel is connected."""
        await self._current.channel_ready()

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        """Return a method of the stub."""
        return self._method("unary_unary", *arguments, **named)

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        """Return a method of the stub."""
        return self._method("unary_stream", *arguments, **named)

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        """Return a method of the stub."""
        return self._method("stream_unary", *arguments, **named)

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        """Return a method of the stub."""
        return self._method("stream_stream", *arguments, **named)

    def _method(
        self,
        shape: str,
        path: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,  # noqa: FBT001, FBT002 - what generated stubs pass
    ) -> _Method:
        arguments = (path, request_serializer, response_deserializer, _registered_method)
        method = _Method(self._current, shape, arguments)
        self._methods.add(method)
        return method

    def _changed(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        self._renewal = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        """Put a new channel in the place of the current one, once it is connected or the current one isn't."""
        fresh = self._opened(channel_credentials(self._identity.material))
        try:
            while fresh.get_state(try_to_connect=True) is not _READY and self._is_up():  # noqa: ASYNC110 - see below
                await asyncio.sleep(_POLL_S)  # a few times in weeks; two channels have no event in common
        except asyncio.CancelledError:
            await fresh.close()
            raise
        old, self._current = self._current, fresh
        for method in tuple(self._methods):
            method.bind(fresh)
        self._retired[old] = asyncio.get_running_loop().call_later(_RETIREMENT_S, self._close_retired, old)

    def _is_up(self) -> bool:
        return self._current.get_state() is _READY

    def _close_retired(self, channel: grpc.aio.Channel) -> None:
        del self._retired[channel]
        closing = asyncio.get_running_loop().create_task(channel.close())
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """Return credentials that believe the material's authorities and show its certificate."""
    return grpc.ssl_channel_credentials(
        root_certificates=material.authorities, private_key=material.key, certificate_chain=material.certificate
    )
