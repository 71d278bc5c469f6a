"""A small gRPC service that answers with whatever a test's function says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from mesh.guarding import Handlers

SERVICE = "test.Echo"

Unary = Callable[[str, grpc.aio.ServicerContext[Any, Any]], Awaitable[str]]
Stream = Callable[[str, grpc.aio.ServicerContext[Any, Any]], AsyncIterator[str]]


async def same(text: str, context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Answer with the request's text."""
    return text


async def none(text: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[str]:
    """Answer nothing."""
    nothing: tuple[str, ...] = ()
    for answer in nothing:
        yield answer


def add(handlers: Handlers, *, say: Unary = same, listen: Stream = none) -> None:
    """Let a server answer `Say` (unary), `Listen` (a stream of answers) and `Talk` (streams both ways)."""

    async def unary(request: StringValue, context: grpc.aio.ServicerContext[Any, Any]) -> StringValue:
        return StringValue(value=await say(request.value, context))

    async def stream(request: StringValue, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[StringValue]:
        async for text in listen(request.value, context):
            yield StringValue(value=text)

    async def both(
        requests: AsyncIterator[StringValue], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield StringValue(value=await say(request.value, context))

    codec: dict[str, Any] = {
        "request_deserializer": StringValue.FromString,
        "response_serializer": StringValue.SerializeToString,
    }
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Say": grpc.unary_unary_rpc_method_handler(unary, **codec),
        "Listen": grpc.unary_stream_rpc_method_handler(stream, **codec),
        "Talk": grpc.stream_stream_rpc_method_handler(both, **codec),
    }
    handlers.add_registered_method_handlers(SERVICE, methods)


class Stub:
    """The methods over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        codec: dict[str, Any] = {
            "request_serializer": StringValue.SerializeToString,
            "response_deserializer": StringValue.FromString,
        }
        self.say: Any = channel.unary_unary(f"/{SERVICE}/Say", **codec)
        self.say_bytes: Any = channel.unary_unary(f"/{SERVICE}/Say", response_deserializer=StringValue.FromString)
        self.listen: Any = channel.unary_stream(f"/{SERVICE}/Listen", **codec)
        self.talk: Any = channel.stream_stream(f"/{SERVICE}/Talk", **codec)
        self.missing: Any = channel.unary_unary(f"/{SERVICE}/Missing", **codec)


def text(value: str) -> StringValue:
    """Return a request."""
    return StringValue(value=value)
