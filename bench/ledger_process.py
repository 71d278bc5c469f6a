"""Starts one real ledger process over a mongod of its own."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import launching, mongod

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

_READY_S = 60.0
_DATABASE = "autopay"
# The same documents go, without the ledger, to this database on the same server.
_RAW_DATABASE = "raw"


class LedgerLostError(launching.LaunchError):
    """The ledger, or its mongod, did not answer as it has to, and nothing can be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProcess:
    """A running ledger: where to call it, its database, and the other one that is written to directly."""

    target: str
    url: str
    raw_url: str


@contextlib.contextmanager
def start(folder: Path) -> Iterator[LedgerProcess]:
    """Run `python -m services.ledger` until the context ends; risky payments are queued for analysis.

    Raises:
        LaunchError: The ledger or its mongod did not start.
    """
    with mongod.fresh(folder) as server:
        urls = [server.url.replace("/?", f"/{name}?") for name in (_DATABASE, _RAW_DATABASE)]
        target, log = f"{launching.HOST}:{launching.free_port()}", folder / "ledger.log"
        extra = {"LEDGER_BIND": target, "MONGO_URL": urls[0], "LEDGER_ANALYSIS_POLICY": "risky"}
        with launching.child(launching.python("-m", "services.ledger"), log=log, extra=extra) as process:
            _wait_until_ready(process, log)
            yield LedgerProcess(target=target, url=urls[0], raw_url=urls[1])


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if '"event":"ready"' in log.read_text(errors="replace").replace(": ", ":"):
            return
        time.sleep(0.05)
    raise launching.LaunchError(launching.failure(process, log))
