"""The servers under test by name, each started fresh beside its own empty database."""

from __future__ import annotations

import contextlib
import functools
import secrets
from typing import TYPE_CHECKING

from bench import launching, mesh, mongod
from bench.conventional.app import DATABASE
from bench.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    Start = Callable[[Path], AbstractContextManager[Server]]


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Server]:
    """Run the bare aiohttp handler."""
    port, log = launching.free_port(), folder / "bare.log"
    with launching.child(launching.python("-m", "bench.bare", str(port)), log=log) as process:
        launching.wait_for_port(port, process, log=log)
        yield Server(
            name="bare aiohttp",
            port=port,
            path="/webhooks/payments",
            secret=secrets.token_hex(32).encode(),
            processes={"handler": (process.pid,)},
        )


@contextlib.contextmanager
def conventional(folder: Path, *, workers: int) -> Iterator[Server]:
    """Run the conventional service under uvicorn."""
    port, log, secret = launching.free_port(), folder / "uvicorn.log", secrets.token_hex(32)
    command = launching.python("-m", "uvicorn", "bench.conventional.app:create", "--factory")
    command += ["--host", launching.HOST, "--port", str(port), "--workers", str(workers)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with mongod.fresh(folder) as database:
        extra = {"MONGO_URL": database.url, "HMAC_SECRET_KEY": secret}
        with launching.child(command, log=log, extra=extra) as process:
            launching.wait_for_port(port, process, log=log)
            yield Server(
                name=f"conventional, {workers} worker{'s' if workers > 1 else ''}",
                port=port,
                path="/webhook/payment",
                secret=secret.encode(),
                processes={"uvicorn": (process.pid,), "mongod": (database.pid,)},
                mongo_url=database.url,
                database=DATABASE,
            )


def available() -> Mapping[str, Start]:
    """Return what can be started, in the order it is measured."""
    return {
        "bare": bare,
        "conventional-1": functools.partial(conventional, workers=1),
        "conventional-4": functools.partial(conventional, workers=4),
        "mesh": mesh.start,
    }
