"""A request runs in the task of its connection.

aiohttp gives each request a task of its own, so that none sees context variables of the one before; the edge has no
such variables. From Python 3.12 on that task begins in the same turn of the loop. Before, it costs two turns more.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, cast

from aiohttp import web

_HANDLE: Final = web.RequestHandler._handle_request.__code__  # noqa: SLF001 - told from all others by this alone


def loop_of_connections(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Return the loop as aiohttp's connections should see it."""
    if sys.version_info >= (3, 12):
        return loop
    return cast("asyncio.AbstractEventLoop", _OneTask(loop))


class _OneTask:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # What every request asks for is found without `__getattr__`.
        self.time, self.call_at, self.create_future = loop.time, loop.call_at, loop.create_future

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def create_task(self, work: Coroutine[Any, Any, Any], **named: Any) -> Any:
        # A connection awaits what it gets here at once, and does nothing else with it.
        return work if work.cr_code is _HANDLE else self._loop.create_task(work, **named)  # type: ignore[attr-defined]
