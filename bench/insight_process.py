"""Starts one real insight process over a mongod of its own, with profiles to look up and no ledger."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from bench import launching, mongod
from services.insight.adapters import mongo
from services.insight.adapters.mongo_profiles import MongoProfiles
from services.insight.memory import EMPTY, learn
from services.insight.profile import ProfileState
from services.insight.scoring import account_key, population_key

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

SOURCE: Final = "autopay"
ACCOUNTS: Final = 5_000
_READY_S: Final = 60.0
_CHUNK: Final = 500
_NOBODY: Final = "127.0.0.1:1"


@contextlib.contextmanager
def start(folder: Path) -> Iterator[str]:
    """Run `python -m services.insight` until the context ends; yield its address.

    Raises:
        LaunchError: insight or its mongod did not start.
    """
    with mongod.fresh(folder) as server:
        url = server.url.replace("/?", "/autopay?")
        asyncio.run(_fill(url))
        target, log = f"{launching.HOST}:{launching.free_port()}", folder / "insight.log"
        extra = {"INSIGHT_BIND": target, "MONGO_URL": url, "INSIGHT_LEDGER_TARGET": _NOBODY}
        with launching.child(launching.python("-m", "services.insight"), log=log, extra=extra) as process:
            _wait_until_listening(process, log)
            yield target


async def _fill(url: str) -> None:
    client = mongo.connect(url, pool_min=1, pool_max=4)
    store = MongoProfiles(mongo.database_of(client, url))
    memory, now_s = EMPTY, time.time()
    for day in range(30):
        memory = learn(memory, now_s - day * 86_400, 3.5)
    state = ProfileState(sequence=1, sends=memory, receives=memory)
    keys = [population_key(SOURCE), *(account_key(SOURCE, f"acct-{number}") for number in range(ACCOUNTS))]
    for begin in range(0, len(keys), _CHUNK):
        await store.save([(key, state) for key in keys[begin : begin + _CHUNK]])
    client.close()


def _wait_until_listening(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if '"event":"listening"' in log.read_text(errors="replace").replace(": ", ":"):
            return
        time.sleep(0.05)
    raise launching.LaunchError(launching.failure(process, log))
