"""Starts a mesh of several edge workers and ledgers behind one port: what a cluster has on more than one machine."""

from __future__ import annotations

import contextlib
import secrets
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from autopay_cli import plan
from autopay_cli.credentials import Credentials
from bench import launching, mongod
from bench.server import Server

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_READY_S: Final = 60.0
_ANY: Final = f"{launching.HOST}:0"
_DATABASE: Final = "autopay"


@contextlib.contextmanager
def start(folder: Path, *, edge_workers: int, ledgers: int) -> Iterator[Server]:
    """Run the four processes, the edge with its workers and the ledger as often as asked, over one mongod."""
    secret = secrets.token_hex(32)
    credentials = Credentials(hmac_secrets=secret, api_keys=f"local.{secrets.token_hex(32)}", monitoring_key="")
    places = plan.claim(edge=_ANY, ingest=_ANY, ledger=_ANY, insight=_ANY)
    targets = [places.ledger, *(f"{launching.HOST}:{launching.free_port()}" for _ in range(ledgers - 1))]
    with mongod.fresh(folder) as database, ExitStack() as running:
        url = database.url.replace("/?", f"/{_DATABASE}?")
        environment = launching.environment({"EDGE_WORKERS": str(edge_workers)})
        children = plan.children(places, credentials, mongo_url=url, environment=environment, logs=folder)
        settings = {child.name: dict(child.environment or {}) for child in children}
        settings["ingest"]["INGEST_LEDGER_TARGET"] = target_of(targets)
        pids = {
            name: tuple(
                running.enter_context(_process(folder, name, number, each)).pid
                for number, each in enumerate(_settings_of(name, settings[name], targets))
            )
            for name in reversed(tuple(plan.MODULES))
        }
        yield Server(
            name=f"{edge_workers} edge worker(s), {ledgers} ledger(s)",
            port=urlsplit(f"//{places.edge}").port or 0,
            path="/webhooks/payments",
            secret=secret.encode(),
            processes={**pids, "mongod": (database.pid,)},
            mongo_url=url,
            database=_DATABASE,
        )


def target_of(addresses: Sequence[str]) -> str:
    """Return a gRPC target that names every replica."""
    return addresses[0] if len(addresses) == 1 else f"ipv4:{','.join(addresses)}"


def _settings_of(name: str, settings: Mapping[str, str], targets: Sequence[str]) -> list[Mapping[str, str]]:
    return [{**settings, "LEDGER_BIND": target} for target in targets] if name == "ledger" else [settings]


@contextlib.contextmanager
def _process(folder: Path, name: str, number: int, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / f"{name}-{number}.log"
    with launching.child(launching.python("-m", plan.MODULES[name]), log=log, extra=settings) as process:
        deadline = time.monotonic() + _READY_S
        awaited = '"event":"ready"' if name == "ledger" else '"event":"listening"'
        while awaited not in log.read_text(errors="replace").replace(": ", ":"):
            if time.monotonic() > deadline or process.poll() is not None:
                raise launching.LaunchError(launching.failure(process, log))
            time.sleep(0.05)
        yield process
