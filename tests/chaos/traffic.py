"""Steady signed traffic: so many new payments a second whatever the answers, and retries as senders make them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from tests.chaos.history import ACCEPTED, BROKEN, NOT_DURABLE, Attempt, Fact, History, Sort
from tests.mesh_processes import RunningMesh
from tests.mesh_traffic import Sender, payment

_CAPTURED: Final = 1_050
_REFUNDED: Final = 400
# Retry-After says a second.
_RETRY_S: Final = 1.0
_ANSWER_S_MAX: Final = 10.0
# More than ever wait at these rates; a fault without an end must not fill the memory.
_LIVES_MAX: Final = 2_000
# Each account pays a few times, always the same, so that a clean run's profiles can be computed in any order.
_PAYMENTS_PER_ACCOUNT: Final = 4
_numbers = itertools.count(1)


class Traffic:
    """New payments at a steady rate: of twenty, one forged, one invalid, six with more than one delivery."""

    def __init__(self, honest: Sender, forger: Sender, *, rate: float) -> None:
        """Send `rate` payments a second."""
        self.history = History()
        self._honest = honest
        self._forger = forger
        self._every_s = 1 / rate
        self._prefix = f"c{time.time_ns():x}"
        self._lives: set[asyncio.Task[None]] = set()
        self._count = itertools.count()

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Send while the context lasts; what is not accepted then is still retried."""
        task = asyncio.create_task(self._flow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def settle(self, *, within_s: float) -> int:
        """Wait until every honest fact is acknowledged; return how many payments are not, in time."""
        if self._lives:
            await asyncio.wait(self._lives, timeout=within_s)
        left = [life for life in self._lives if not life.done()]
        for life in left:
            life.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    def fact(self, kind: str = "captured", *, tx_id: str = "", sort: Sort = Sort.HONEST) -> Fact:
        """Return a fact that is about to be sent, of a payment of its own unless `tx_id` names one."""
        number = next(_numbers)
        tx_id = tx_id or f"{self._prefix}-{number}"
        minor_units = _REFUNDED if kind == "refunded" else _CAPTURED
        return self.history.add(
            Fact(tx_id=tx_id, event_id=f"{tx_id}-{kind}", kind=kind, minor_units=minor_units, sort=sort)
        )

    async def attempt(self, fact: Fact, *, variant: int = 0, fields: Mapping[str, object] | None = None) -> Attempt:
        """Deliver a fact once and note the answer.

        Args:
            fact: what is told.
            variant: which of the ways to write it that mean the same.
            fields: what the body says otherwise.
        """
        body = _body(fact, variant, fields or {})
        sender = self._forger if fact.sort is Sort.FORGED else self._honest
        sent_s, status, word, asks_again = time.monotonic(), BROKEN, "cancelled", False
        try:
            reply = await sender.send(body)
            status, asks_again = reply.status, reply.asks_again
            word = str(reply.fields.get("status" if status == ACCEPTED else "reason", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            word = type(error).__name__
        finally:
            attempt = Attempt(
                body=body, sent_s=sent_s, answered_s=time.monotonic(), status=status, word=word, asks_again=asks_again
            )
            fact.attempts.append(attempt)
        return attempt

    async def deliver(self, fact: Fact, *, fields: Mapping[str, object] | None = None) -> None:
        """Deliver a fact until it is accepted, every other time in other bytes; of one that isn't honest, once."""
        for number in itertools.count():
            attempt = await self.attempt(fact, variant=number % 2, fields=fields)
            if attempt.status == ACCEPTED or (
                fact.sort is not Sort.HONEST and attempt.status not in {NOT_DURABLE, BROKEN}
            ):
                return
            await asyncio.sleep(_RETRY_S)

    async def _flow(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if len(self._lives) < _LIVES_MAX:
                life = asyncio.create_task(self._live(next(self._count) % 20))
                self._lives.add(life)
                life.add_done_callback(self._lives.discard)
            due += self._every_s
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _live(self, place: int) -> None:
        if place == 0:
            await self.deliver(self.fact(sort=Sort.FORGED))
        elif place == 1:
            await self.deliver(self.fact(sort=Sort.INVALID), fields={"amount": "-1"})
        elif place in {2, 3}:
            first = self.fact("pending")
            await self.deliver(first)
            await self.deliver(self.fact("captured", tx_id=first.tx_id))
        elif place in {4, 5}:
            first = self.fact()
            await self.deliver(first)
            await self.deliver(self.fact("refunded", tx_id=first.tx_id))
        else:
            fact = self.fact()
            await self.deliver(fact)
            if place in {6, 7}:
                # A sender whose acknowledgement got lost on its side comes again: the same bytes, and others.
                await self.attempt(fact, variant=place - 6)


@asynccontextmanager
async def traffic_to(mesh: RunningMesh, *, rate: float) -> AsyncIterator[Traffic]:
    """Yield traffic with connections of its own."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S_MAX)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        forger = Sender(session, mesh.url, secret="nobody-has-told-this-one-to-the-edge-0123456789")
        traffic = Traffic(Sender(session, mesh.url), forger, rate=rate)
        try:
            yield traffic
        finally:
            await traffic.settle(within_s=0)


async def until(condition: Callable[[], bool], *, within_s: float) -> bool:
    """Wait until a condition holds; return whether it does, in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _body(fact: Fact, variant: int, otherwise: Mapping[str, object]) -> bytes:
    """Return the fact in JSON: with other white space, and so other bytes, for each variant."""
    prefix, _, number = fact.tx_id.rpartition("-")
    account = int(number) // _PAYMENTS_PER_ACCOUNT
    facts: dict[str, object] = {
        "amount": f"{fact.minor_units / 100:.2f}",
        "sender": f"payer-{prefix}-{account}",
        "receiver_account": f"shop-{prefix}-{account}",
        "status": fact.kind,
        "event_id": fact.event_id,
        **otherwise,
    }
    return payment(fact.tx_id, **facts)[:-1] + b" " * variant + b"}"  # type: ignore[arg-type] # whatever fields there are
