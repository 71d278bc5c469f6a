"""Computes docs/capacity.md's tables and the manifests' requests from a run of the benchmark: nobody types a number.

python -m bench.capacity [bench/results/latest.json] [--mongo-url URL]

The run's figures of the mesh are kept in docs/capacity.json, from which a test renders the tables again and computes
what the manifests must reserve. With a URL the size of a payment is measured anew in that database, which should hold
some thousands.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient

from bench import reserving
from bench.reserving import BUSY, PROCESSES

ROOT: Final = Path(__file__).resolve().parents[1]
FIGURES: Final = ROOT / "docs/capacity.json"
DOCUMENT: Final = ROOT / "docs/capacity.md"
LATEST: Final = ROOT / "bench/results/latest.json"
MONGOD: Final = "mongod"
RATES: Final = (1_000, 10_000, 100_000)
_BEGIN, _END = "<!-- made by bench/capacity.py -->", "<!-- end -->"
_DAY_S: Final = 86_400
_GIB: Final = 1 << 30


def figures_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the tables rest on: the mesh's busiest cell of a run, and the machine it ran on."""
    cells = [cell for cell in results["sections"]["throughput"]["cells"] if cell["server"] == "mesh"]
    cell = max(cells, key=lambda each: each["concurrency"])
    wanted = ("concurrency", "rounds", "requests_per_s", "cpu_us", "rss_mib", "others_cores")
    machine = {name: results["machine"][name] for name in ("processor", "cores", "kernel", "python", "commit")}
    return {"machine": machine, "cell": {name: cell[name] for name in wanted}}


def size_of(url: str) -> dict[str, float]:
    """Return the bytes of one payment with its delivery, as documents, as indexes, and on the disk."""
    with MongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        parts = [database.command("collStats", name) for name in ("transactions", "deliveries")]
    count = parts[0]["count"]
    return {
        "payments": count,
        "document_bytes": sum(part["size"] for part in parts) / count,
        "index_bytes": sum(part["totalIndexSize"] for part in parts) / count,
        "disk_bytes": sum(part["storageSize"] + part["totalIndexSize"] for part in parts) / count,
    }


def render(figures: Mapping[str, Any]) -> str:
    """Return the tables."""
    return "\n\n".join((_costs(figures), _cores(figures), reserving.table(figures["cell"]), _sizes(figures)))


def _costs(figures: Mapping[str, Any]) -> str:
    cell, machine = figures["cell"], figures["machine"]
    head = (
        f"Measured at commit {machine['commit']} on {machine['cores']} × {machine['processor']}, {cell['concurrency']} "
        f"connections, {cell['requests_per_s']:,.0f} webhooks/s, {cell['rounds']} round(s), other programs using "
        f"{cell['others_cores']:.1f} cores meanwhile:"
    )
    rows = []
    for name in (*PROCESSES, MONGOD):
        cpu_us, rss_mib = cell["cpu_us"][name], cell["rss_mib"][name]
        rows.append(f"| {name} | {cpu_us:.0f} | {1e6 * BUSY / cpu_us:,.0f} | {rss_mib:.0f} |")
    title = f"| process | CPU µs per webhook | webhooks/s per core at {BUSY:.0%} | memory MiB |"
    return "\n".join((head, "", title, "|---|---|---|---|", *rows))


def _cores(figures: Mapping[str, Any]) -> str:
    cell = figures["cell"]
    title = (
        "| webhooks/s | "
        + " | ".join(f"{name} cores (replicas)" for name in PROCESSES)
        + " | mongod cores, primaries |"
    )
    rows = []
    for rate in RATES:
        needed = [rate * cell["cpu_us"][name] / 1e6 / BUSY for name in PROCESSES]
        # A process uses one core: replicas are cores, and two at least.
        cells = [f"{cores:.1f} ({max(2, math.ceil(cores))})" for cores in needed]
        rows.append(f"| {rate:,} | {' | '.join(cells)} | {rate * cell['cpu_us'][MONGOD] / 1e6 / BUSY:.1f} |")
    return "\n".join((title, "|---" * (len(PROCESSES) + 2) + "|", *rows))


def _sizes(figures: Mapping[str, Any]) -> str:
    size = figures["payment"]
    head = (
        f"A payment of one event with its delivery, averaged over {size['payments']:,.0f} of `autopay simulate`: "
        f"{size['document_bytes']:,.0f} bytes as documents, {size['index_bytes']:,.0f} of indexes, "
        f"{size['disk_bytes']:,.0f} on the disk, compressed. Per member of the set, one event per payment:"
    )
    title = "| webhooks/s | a day, GiB | 30 days, GiB | indexes of 30 days, GiB (want memory) |"
    rows = []
    for rate in RATES:
        day, index = (rate * _DAY_S * size[name] / _GIB for name in ("disk_bytes", "index_bytes"))
        rows.append(f"| {rate:,} | {day:,.0f} | {day * 30:,.0f} | {index * 30:,.0f} |")
    return "\n".join((head, "", title, "|---|---|---|---|", *rows))


def placed(document: str, tables: str) -> str:
    """Return the document with these tables in their place."""
    before, rest = document.split(_BEGIN)
    return f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{rest.split(_END)[1]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Take a run's figures over into the document and the manifests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=LATEST, help="a run's JSON, as `make bench` writes it")
    parser.add_argument("--mongo-url", help="a database to measure a payment's size in; else the last one measured")
    options = parser.parse_args(arguments)
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures = figures_of(json.loads(options.results.read_text(encoding="utf-8")))
    figures["payment"] = size_of(options.mongo_url) if options.mongo_url else known["payment"]
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(placed(DOCUMENT.read_text(encoding="utf-8"), render(figures)), encoding="utf-8")
    for process in PROCESSES:
        reserving.write(process, reserving.needed(figures["cell"], process))


if __name__ == "__main__":
    main()
