"""Starts the whole mesh with everything on: JSON logs, metrics, exported traces, scoring and learning."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import launching
from bench.server import Server

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

_READY_S = 60.0
_FLUSH_S = "8"
TRACES = "traces.json"


@contextlib.contextmanager
def start(folder: Path, extra: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run `autopay up` on its own mongod, exporting 5 % of traces to a real local receiver.

    The receiver runs in its own process and counts for nobody; on the way out it writes what it
    received to `folder / TRACES`. No Gemini key is set. `extra` is added to the environment of every process.
    """
    sink_port, sink_log = launching.free_port(), folder / "otlp.log"
    sink = launching.python("-m", "bench.otlp_sink", str(sink_port), str(folder / TRACES))
    with launching.child(sink, log=sink_log) as receiver:
        launching.wait_for_port(sink_port, receiver, log=sink_log)
        with _up(folder, sink_port=sink_port, added=extra or {}) as server:
            yield server


@contextlib.contextmanager
def _up(folder: Path, *, sink_port: int, added: Mapping[str, str]) -> Iterator[Server]:
    data, log, secret = folder / "mesh", folder / "mesh.log", secrets.token_hex(32)
    command = [*launching.python("-m", "autopay_cli"), "up", "--no-demo", "--data-dir", str(data)]
    for process_name in ("edge", "ingest", "ledger", "insight"):
        command += [f"--{process_name}", f"{launching.HOST}:{launching.free_port()}"]
    extra = {
        "HMAC_SECRET_KEY": secret,
        # Traces alone: log lines go to the process's output, where a node agent takes them, and metrics are scraped.
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://{launching.HOST}:{sink_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        # Once a window, so that none is measured without what saving profiles costs; the default, 30 s, is cheaper.
        "INSIGHT_FLUSH_S": _FLUSH_S,
        **added,
    }
    with launching.child(command, log=log, extra=extra) as process:
        _wait_until_ready(process, log)
        described: dict[str, Any] = json.loads((data / "mesh.json").read_text())
        pids = {name: tuple(found) for name, found in described["pids"].items()}
        yield Server(
            name="mesh",
            port=urlsplit(described["edge"]).port or 0,
            path="/webhooks/payments",
            secret=secret.encode(),
            processes={**pids, "up": (process.pid,)},
            mongo_url=described["mongo"],
            database=urlsplit(described["mongo"]).path.strip("/"),
        )


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if any(line.startswith("ready ") for line in log.read_text(errors="replace").splitlines()):
            return
        time.sleep(0.1)
    raise launching.LaunchError(launching.failure(process, log))


def edge_admin(folder: Path) -> str:
    """Return where the edge of a mesh started in `folder` serves its metrics, as its log says.

    Raises:
        LaunchError: It has not said so.
    """
    for line in (folder / "mesh" / "logs" / "edge.log").read_text().splitlines():
        if '"listening"' in line:
            return str(json.loads(line)["admin"])
    message = "the edge has not said where its metrics are"
    raise launching.LaunchError(message)
