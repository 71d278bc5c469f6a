"""`Prefer: wait=N`: a native sender's answer may wait for the payment's analysis, within bounds of time and number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import orjson
from aiohttp import web

from edge.model import Answer
from edge.ports import Ledger
from mesh.errors import Fault

WAIT_S_MAX: Final = 10
_OK: Final = 200
_WAIT: Final = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])', re.ASCII | re.IGNORECASE)


def wait_s_of(headers: Sequence[str]) -> int:
    """Return how many seconds `Prefer` headers (RFC 7240) ask to wait, the first that does; at most ten, 0 for none."""
    for header in headers:
        if found := _WAIT.search(header):
            return min(int(found[1]), WAIT_S_MAX)
    return 0


class Waiting:
    """Waits for analyses, for so many senders at once."""

    def __init__(self, ledger: Ledger, *, waiters_max: int) -> None:
        """Ask `ledger`, for at most `waiters_max` at once."""
        self._ledger = ledger
        self._waiters_max = waiters_max
        self._waiters = 0

    async def add(self, response: web.Response, answer: Answer, source: str, preferences: Sequence[str]) -> None:
        """Add the analysis to a durable answer, where one is asked for; what fails here fails nothing."""
        wait_s = wait_s_of(preferences)
        if not wait_s or response.status != _OK or not answer.events or self._waiters >= self._waiters_max:
            return
        self._waiters += 1
        try:
            analysed = await self._ledger.analysed(source, answer.events[0].tx_id, wait_s=wait_s)
        except Fault:
            return
        finally:
            self._waiters -= 1
        told = orjson.loads(response.body or b"{}")  # type: ignore[arg-type]  # bytes, as we have just made it
        response.body = orjson.dumps({**told, "analysis_state": analysed.state, "analysis": analysed.analysis})
        response.headers["Preference-Applied"] = f"wait={wait_s}"
