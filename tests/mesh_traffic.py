"""Signed traffic into a running mesh: native payments as a sender would post them, and what came back."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp

from autopay_cli.signing import signed
from tests.mesh_processes import SECRET, RunningMesh

ItemT = TypeVar("ItemT")

_PATH: Final = "/webhooks/payments"
_TIMEOUT_S: Final = 30.0
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one webhook was answered, `took_s` seconds after it was sent."""

    status: int
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    took_s: float

    @property
    def asks_again(self) -> bool:
        """Whether this is the answer to what is not known to be durable: 503 with Retry-After."""
        return self.status == 503 and int(self.headers.get("Retry-After", "0")) >= 1


class Sender:
    """Posts signed webhooks to one mesh."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, secret: str = SECRET) -> None:
        """Post over `session` to the edge at `url`, signing with `secret`."""
        self._secret = secret
        self._session = session
        self._url = url + _PATH

    async def send(self, body: bytes, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Sign the body as it is now (native header form), post it and return the answer.

        Raises:
            aiohttp.ClientError: there was no answer.
        """
        request = signed(body, self._secret, timestamp_s=int(time.time()))
        started = time.perf_counter()
        async with self._session.post(self._url, data=body, headers={**request.headers, **(headers or {})}) as response:
            raw = await response.read()
            took_s = time.perf_counter() - started
            return Reply(status=response.status, headers=response.headers, fields=_fields(raw), took_s=took_s)

    async def send_all(self, bodies: Sequence[bytes], *, concurrency: int = 256) -> Sequence[Reply]:
        """Send every body, so many at once, and return the answers in order."""
        return await in_parallel(self.send, bodies, concurrency=concurrency)

    async def send_until_accepted(self, body: bytes, *, timeout_s: float) -> Reply:
        """Send the body again and again until it is answered with a 2xx."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                reply = await self.send(body)
            except aiohttp.ClientError as error:
                said = repr(error)
            else:
                if reply.status == 200:
                    return reply
                said = f"{reply.status} {reply.fields}"
            assert time.monotonic() < deadline, f"not accepted within {timeout_s} s: {said}"
            await asyncio.sleep(0.05)


def _fields(raw: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(raw)
    except ValueError:
        # Not ours: a proxy's.
        return {"reason": raw.decode(errors="replace")}
    return fields if isinstance(fields, dict) else {"reason": raw.decode(errors="replace")}


@asynccontextmanager
async def sending_to(mesh: RunningMesh) -> AsyncIterator[Sender]:
    """Yield a sender with connections of its own."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Sender(session, mesh.url)


async def in_parallel(
    act: Callable[[ItemT], Awaitable[Reply]], items: Sequence[ItemT], *, concurrency: int
) -> Sequence[Reply]:
    """Act on every item, so many at once, and return the answers in order."""
    replies: list[Reply | None] = [None] * len(items)
    todo = iter(enumerate(items))

    async def work() -> None:
        for position, item in todo:
            replies[position] = await act(item)

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(concurrency, len(items))):
            workers.create_task(work())
    return [reply for reply in replies if reply is not None]


def new_tx_id(prefix: str = "tx") -> str:
    """Return a payment id that no other test has."""
    return f"{prefix}-{time.time_ns():x}-{next(_numbers)}"


def payment(tx_id: str, *, amount: str = "10.50", sender: str = "payer-1", **fields: object) -> bytes:
    """Return the body of a native payment, by default a successful one of 10.50 USD."""
    facts = {
        "tx_id": tx_id,
        "amount": amount,
        "currency": "USD",
        "sender_account": sender,
        "receiver_account": "shop-1",
        **fields,
    }
    return json.dumps(facts).encode()


def fresh_payments(count: int, **fields: object) -> dict[str, bytes]:
    """Return the bodies of so many new payments by their ids."""
    ids = [new_tx_id() for _ in range(count)]
    return {tx_id: payment(tx_id, **fields) for tx_id in ids}  # type: ignore[arg-type]
