"""The method `Say` called over streams."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from mesh.streamed import StreamedMethod
from tests.fakes import echo

PATH = f"/{echo.SERVICE}/Say"
Context = grpc.aio.ServicerContext[Any, Any]
Say = StreamedMethod[StringValue, StringValue]


def say_over(channel: grpc.aio.Channel) -> Say:
    """Return the method `Say` over streams."""
    return StreamedMethod(channel, PATH, takes=StringValue, answers=StringValue)


async def said(say: Say, text: str, *, timeout_s: float = 5.0) -> str:
    """Call it."""
    return (await say(echo.text(text), timeout_s=timeout_s)).value


class Streams:
    """A handler that counts the streams it is called over, and answers with the number of its own."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    async def __call__(self, text: str, context: Context) -> str:
        """Answer with the text and the number of the stream."""
        stream = context._stream  # type: ignore[attr-defined]
        if stream not in self.seen:
            self.seen.append(stream)
        return f"{text} over {self.seen.index(stream)}"
