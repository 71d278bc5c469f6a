"""The response of the hot path: head and body leave as one string, made without a header map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from aiohttp import HttpVersion11, web
from aiohttp.helpers import rfc822_formatted_time
from multidict import CIMultiDict

from edge.problems import SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter

_OK: Final = 200


class Head:
    """What the heads of one kind of response have in common, rendered once. The status is 200."""

    __slots__ = ("fields", "start")

    def __init__(self, fields: Mapping[str, str]) -> None:
        """Begin every response with these header fields."""
        self.fields = {**fields, "Server": SERVER}
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.fields.items()])
        self.start = f"HTTP/1.1 200 OK\r\n{lines}Date: "


class WholeResponse(web.Response):
    """A 200 with a body at hand.

    To a connection that stays open in HTTP/1.1, and that nobody added anything for, it is written as it is; to all
    others aiohttp writes it field by field, for twice the cost.
    """

    def __init__(self, head: Head, body: bytes) -> None:
        """Answer with `body`. What the base class sets is set here, without its look at what could have been given."""
        self._state = {}
        self._status = _OK
        self._reason = "OK"
        self._body = body
        self._head: Head | None = head
        self._compressed_body = None

    @property
    def _headers(self) -> CIMultiDict[str]:  # type: ignore[override]  # made when somebody wants to see or change it
        given = self.__dict__.get("_given")
        if given is None:
            head, self._head = self._head, None
            given = self.__dict__["_given"] = CIMultiDict(head.fields if head is not None else {})
        return given

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole response where that is right, else begin it as aiohttp does."""
        head, body = self._head, self._body
        plain = self._keep_alive is None and self._cookies is None and isinstance(body, bytes)
        if head is None or not plain or not request.keep_alive or request.version != HttpVersion11:
            return await super().prepare(request)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection ended before its answer")
        content = cast("bytes", body)
        text = f"{head.start}{rfc822_formatted_time()}\r\nContent-Length: {len(content)}\r\n\r\n"
        transport.write(text.encode("ascii") + content)
        if request.protocol.writing_paused:
            # Whoever sends and does not read has to wait, or its answers would pile up here.
            await request.writer.drain()
        self._keep_alive = True
        self._eof_sent = True
        self._body_length = len(content)
        return None
