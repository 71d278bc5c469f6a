"""The life of a process: uvloop, a stop on SIGTERM or SIGINT, one clear line when it can't start."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

EXIT_CONFIGURATION = 2
# A collection every 700 allocations walks what every batch just made, and finds nothing: messages and documents hold no
# cycles. Seldom collections, and none of what was imported, took 12 to 17 % off the ledger's CPU per change.
_GC_THRESHOLDS = (50_000, 20, 20)
# gRPC's server leaves a ring of a dozen objects for each call it looks up. By those thresholds they would be found in
# half an hour, and the process would grow till then. To look through what is young takes 1 or 2 ms there; at the edge,
# which serves no gRPC and leaves no rings, it took 10 to 25 with a thousand connections, and found nothing.
_COLLECT_S = 10.0
_COLLECT_ALL_EVERY = 60


def stop_on_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets, for the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    return stop


def collect_garbage(*, turn: int = 1) -> None:
    """Look for garbage in the running loop, from now on every ten seconds."""
    gc.collect(1 if turn % _COLLECT_ALL_EVERY else 2)
    asyncio.get_running_loop().call_later(_COLLECT_S, lambda: collect_garbage(turn=turn + 1))


def run(name: str, main: Callable[[], Coroutine[None, None, None]], *, serves_calls: bool = False) -> None:
    """Run a process's `main` under uvloop; a start that can't work exits 2 with one line that says why.

    With `serves_calls` it has a gRPC server, whose garbage is looked for.
    """

    async def collected() -> None:
        if serves_calls:
            collect_garbage()
        await main()

    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        uvloop.run(collected())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(EXIT_CONFIGURATION) from error
