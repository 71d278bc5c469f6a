"""Sends at half of saturation for a long time and watches what must not grow: `python -m bench.soak --minutes 30`."""

from __future__ import annotations

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from bench import drawing, launching, machine, mesh, page, processes, steady, traffic, watching, window, wrk
from bench.growth import gates, growths, settled_after_s
from bench.launching import LaunchError
from bench.processes import ProcessLostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future
    from typing import Any

    from bench.server import Server
    from bench.watching import Moment

_BROKEN: Final = 2
# A pool opens another connection when it was slow for a moment, and keeps it: with all there from the start, what is
# more at the end is a leak.
_FULL_POOLS: Final = {"MONGO_MIN_POOL_SIZE": "10", "MONGO_MAX_POOL_SIZE": "10"}
_RATE: Final = 8_000.0
_WARMUP_S: Final = 5.0
_SATURATION_S: Final = 10.0
_SHARE: Final = 0.5
_CONCURRENCY: Final = 512
# Requests are signed while the piece before is sent: signatures are good for minutes only.
_PIECE_S: Final = 30.0
_IDLE_S_MAX: Final = 20.0
_IDLE_LOOKS: Final = 10
_IDLE_PAUSE_S: Final = 0.5


def run(
    *,
    minutes: Annotated[float, typer.Option(min=1, help="How long to send.")] = 30.0,
    out: Annotated[Path, typer.Option(help="Where the JSON, the page and the picture go.")] = Path("bench/results"),
) -> None:
    """Send webhooks at half of the rate this machine's mesh reaches, and sample every process meanwhile."""
    progress = Console(stderr=True, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    try:
        wrk.executable()
        with tempfile.TemporaryDirectory(dir=out, prefix="scratch-") as scratch:
            figures = _measure(Path(scratch).resolve(), minutes * 60, progress)
    except (ValueError, wrk.WrkError, LaunchError, ProcessLostError) as problem:
        progress.print(f"soak: {problem}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(_BROKEN) from problem
    raise typer.Exit(0 if _report(figures, out) else 1)


def _measure(folder: Path, duration_s: float, progress: Console) -> dict[str, Any]:
    binds = {name: f"{launching.HOST}:{launching.free_port()}" for name in ("ingest", "ledger", "insight")}
    extra = {f"{name.upper()}_METRICS_BIND": address for name, address in binds.items()} | _FULL_POOLS
    payments = traffic.Payments(seed=0)
    with mesh.start(folder, extra) as server:
        scrapes = {**binds, "edge": mesh.edge_admin(folder)}
        sender = window.Sender(server, payments, scratch=folder, rate=_RATE)
        for each_s in (_WARMUP_S, _SATURATION_S):
            sender.prepare(concurrency=_CONCURRENCY, duration_s=each_s)
            saturation = sender.send(concurrency=_CONCURRENCY, duration_s=each_s).requests_per_s
        rate = saturation * _SHARE
        progress.print(f"saturation {saturation:,.0f}/s; sending half of it for {duration_s / 60:g} minutes")
        census = _census(server, payments, folder / "census.bin", rate)
        groups = processes.members(server.processes)
        idle = [_idle(groups, scrapes)]
        with watching.Watch(groups, scrapes) as watch:
            pieces = [census, *_send(server, payments, folder, rate=rate, duration_s=duration_s, progress=progress)]
        moments = watch.moments
        idle.append(_idle(groups, scrapes))
    return {
        "machine": machine.describe(),
        "plan": {"duration_s": duration_s, "rounds": 1},
        "saturation_per_s": saturation,
        "pieces": pieces,
        "moments": [asdict(one) for one in moments],
        "idle": [asdict(one) for one in idle],
        "grown": [asdict(one) for one in growths(moments, idle, after_s=settled_after_s(duration_s))],
    }


def _census(server: Server, payments: traffic.Payments, file: Path, rate: float) -> dict[str, Any]:
    """Have every account pay and be paid once, for memory is warm when each is known: the rarest come once in a run."""
    return _piece(server, _sign(server, payments.census(), file), rate, duration_s=traffic.SENDERS / rate)


def _idle(groups: Mapping[str, tuple[int, ...]], scrapes: Mapping[str, str]) -> Moment:
    """Look once nothing is left to do: under load, tasks and files are as many as requests are out.

    Several times: what a timer, a scrape or a connection that is being replaced holds for a moment is no growth.
    """
    processes.settle(groups, limit_s=_IDLE_S_MAX)
    looks = []
    for _ in range(_IDLE_LOOKS):
        looks.append(watching.look(groups, scrapes, at_s=0.0))
        time.sleep(_IDLE_PAUSE_S)
    return watching.least(looks)


def _send(
    server: Server, payments: traffic.Payments, folder: Path, *, rate: float, duration_s: float, progress: Console
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    ends_s, count = time.monotonic() + duration_s, int(rate * _PIECE_S) + 1
    with ThreadPoolExecutor(max_workers=1) as signing:
        number = 0
        ready = signing.submit(_sign, server, payments.take(count), folder / f"{number}.bin")
        while time.monotonic() < ends_s:
            file = ready.result()
            number += 1
            ready = signing.submit(_sign, server, payments.take(count), folder / f"{number}.bin")
            found.append(_piece(server, file, rate))
            progress.print(f"  {number * _PIECE_S / 60:5.1f} min  {_line(found[-1])}")
        _discard(ready)
    return found


def _sign(server: Server, bodies: Iterable[bytes], file: Path) -> Path:
    timestamp_s = int(time.time())
    traffic.write(
        (
            traffic.request(body, secret=server.secret, timestamp_s=timestamp_s, host=server.host, path=server.path)
            for body in bodies
        ),
        file,
    )
    return file


def _discard(ready: Future[Path]) -> None:
    ready.result().unlink()


def _piece(server: Server, file: Path, rate: float, *, duration_s: float = _PIECE_S) -> dict[str, Any]:
    with steady.sending(file, server, rate=rate, duration_s=duration_s) as process:
        reading, pace = steady.result_of(process, duration_s=duration_s)
    file.unlink()
    return {**asdict(reading), **asdict(pace), "complaints": reading.complaints()}


def _line(piece: dict[str, Any]) -> str:
    wrong = f"  {', '.join(piece['complaints'])}" if piece["complaints"] else ""
    return f"p50 {piece['p50_ms']:.1f} ms  p99 {piece['p99_ms']:.1f} ms  p99.9 {piece['p999_ms']:.1f} ms{wrong}"


def _report(figures: dict[str, Any], out: Path) -> bool:
    held = gates(figures["grown"], sum(len(piece["complaints"]) for piece in figures["pieces"]))
    figures["gates"], figures["failures"] = [str(gate) for gate in held], {}
    table = _table(figures)
    (out / "soak.json").write_text(json.dumps(figures, indent=2) + "\n")
    page.write(figures, [page.Part("Soak", [table], [_draw(figures["moments"], out)])], None, out / "soak.html")
    console = Console(highlight=False)
    console.print(table)
    for gate in held:
        console.print(str(gate), style="green" if gate.passed else "red", markup=False)
    return all(gate.passed for gate in held)


def _table(figures: dict[str, Any]) -> Table:
    caption = "memory once warm, first and last fifth; files and tasks idle, before and after; mongod fills its cache"
    title = f"Half of {figures['saturation_per_s']:,.0f}/s for {figures['plan']['duration_s'] / 60:g} minutes"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column("process")
    for heading in ("RSS MiB", "then", "files", "then", "tasks", "then"):
        table.add_column(heading, justify="right")
    for one in figures["grown"]:
        pairs = (one["rss_mib"], one["files"], one["tasks"])
        table.add_row(one["process"], *(f"{value:,.0f}" for pair in pairs for value in pair))
    return table


def _draw(moments: list[dict[str, Any]], out: Path) -> Path:
    minutes = [one["at_s"] / 60 for one in moments]
    lines = {name: [one["rss_mib"][name] for one in moments] for name in moments[0]["rss_mib"]}
    return drawing.curves(minutes, lines, drawing.Axis(across="minutes", up="RSS, MiB"), out / "soak.png")


if __name__ == "__main__":
    typer.run(run)
