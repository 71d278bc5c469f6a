"""Sends the deliveries of a mock sender at a rate and a concurrency, and notes what came back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autopay_cli.failure import Failure
from autopay_cli.scenarios import Case, Delivery, Scenario, Signer

if TYPE_CHECKING:
    import aiohttp

    from autopay_cli.recipes.signing import Request

_ANSWER_S_MAX: Final = 30.0
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One delivery and its answer.

    Attributes:
        scenario: what the delivery was part of.
        delivery: what was sent.
        got: HTTP status and word, as in `Delivery.expected`, or why there was no answer.
        request_id: finds it in the edge's log.
        took_ms: from sending to the last byte, milliseconds.
    """

    scenario: Scenario
    delivery: Delivery
    got: str
    request_id: str
    took_ms: float

    @property
    def as_expected(self) -> bool:
        """Whether the mesh answered as it must."""
        return self.got in {self.delivery.expected, self.delivery.as_good}


class _Pace:
    """Hands out moments `rate` times a second; 0 is no limit."""

    def __init__(self, rate: float) -> None:
        self._interval_s = 1 / rate if rate else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + self._interval_s, now)
        await asyncio.sleep(self._next - now)


class Sender:
    """A mock sender."""

    def __init__(
        self,
        *,
        url: str,
        signer: Signer,
        rate: float,
        concurrency: int,
        noted: Callable[[Outcome], None],
        acknowledgement: bytes | None = None,
    ) -> None:
        """Send to `url`, at most `rate` a second (0: no limit) and `concurrency` at once; tell `noted` each outcome.

        `acknowledgement` is all that a third party is told, where the deliveries are one's.
        """
        self._url = url
        self._signer = signer
        self._acknowledgement = acknowledgement
        self._pace = _Pace(rate)
        self._unpaced = _Pace(0)
        self._concurrency = concurrency
        self._noted = noted
        self._answered = False

    async def send(self, cases: Sequence[Case]) -> None:
        """Send every case.

        Raises:
            Failure: nobody answers at all.
        """
        import aiohttp

        waiting = iter(cases)
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S_MAX)
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(min(self._concurrency, len(cases))):
                    group.create_task(self._work(session, waiting))
        except ExceptionGroup as failed:
            # Not by `except*`: what is raised there Python before 3.11.4 puts into a group again.
            failures, others = failed.split(Failure)
            if failures is None or others is not None:
                raise
            raise Failure(str(failures.exceptions[0])) from None

    async def _work(self, session: aiohttp.ClientSession, waiting: Iterator[Case]) -> None:
        for case in waiting:
            request: Request | None = None
            pace = self._unpaced if case.scenario is Scenario.BURST else self._pace
            for delivery in case.deliveries:
                await pace.turn()
                request = self._signer.request(delivery, now_s=int(time.time()), previous=request)
                self._noted(await self._post(session, case.scenario, delivery, request))

    async def _post(
        self,
        session: aiohttp.ClientSession,
        scenario: Scenario,
        delivery: Delivery,
        request: Request,
    ) -> Outcome:
        import aiohttp
        from multidict import CIMultiDict

        started = time.perf_counter()
        request_id = ""
        try:
            headers = CIMultiDict(request.headers)
            headers.setdefault("Content-Type", "application/json")
            async with session.post(self._url, data=request.body, headers=headers) as response:
                status, content = response.status, await response.read()
            self._answered = True
            got, request_id = self._read(status, content)
        except aiohttp.InvalidURL as error:
            raise Failure(f"--url {self._url!r} is no URL: expected http://HOST:PORT/webhooks/payments.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            if not self._answered and isinstance(error, aiohttp.ClientConnectorError):
                raise Failure(
                    f"nobody answers at {self._url} ({error.strerror or error}): start the mesh with `autopay up`, "
                    "or name another --url."
                ) from error
            got = f"no answer ({type(error).__name__})"
        took_ms = (time.perf_counter() - started) * 1_000
        return Outcome(scenario=scenario, delivery=delivery, got=got, request_id=request_id, took_ms=took_ms)

    def _read(self, status: int, content: bytes) -> tuple[str, str]:
        """Return status and word of an answer, and its request id."""
        if status == _OK and content == self._acknowledgement:
            return f"{status} acknowledged", ""
        return _read(status, content)


def _read(status: int, content: bytes) -> tuple[str, str]:
    """Return status and word of an answer of our own form, and its request id."""
    try:
        answer = json.loads(content)
        word = answer["reason"] if "reason" in answer else answer["status"]
        return f"{status} {word}", str(answer.get("request_id", ""))
    except (ValueError, TypeError, KeyError):
        return f"{status} (not an answer of the mesh)", ""
