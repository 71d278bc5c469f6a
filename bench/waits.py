"""Where the time of a webhook goes, hop by hop, by the spans of its trace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench.otlp_sink import SPANS
from bench.steady_sender import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_BEGIN, _END = 0, 1
# From one span's begin or end to another's. Together they are the edge's span.
HOPS: Final = (
    ("edge: verified, waits for its batch to leave", ("POST", _BEGIN), ("ingest", _BEGIN)),
    ("ingest: mapped, on its way to insight", ("ingest", _BEGIN), ("insight.score", _BEGIN)),
    ("insight: scored", ("insight.score", _BEGIN), ("insight.score", _END)),
    ("on its way to the ledger, waits for its turn there", ("insight.score", _END), ("ledger.record", _BEGIN)),
    ("ledger: made into documents", ("ledger.record", _BEGIN), ("store", _BEGIN)),
    ("MongoDB: inserted and journaled, both documents", ("store", _BEGIN), ("store", _END)),
    ("on its way back to the edge", ("store", _END), ("ingest", _END)),
    ("edge: answered", ("ingest", _END), ("POST", _END)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long sampled webhooks took for one part of their way, milliseconds."""

    hop: str
    count: int
    mean_ms: float
    p50_ms: float
    p99_ms: float


def read(folder: Path) -> Sequence[Sequence[Any]]:
    """Return the spans that `bench.otlp_sink` kept for a mesh in `folder`, once both have ended."""
    kept: Sequence[Sequence[Any]] = json.loads((folder / SPANS).read_text())
    return kept


def waits(spans: Iterable[Sequence[Any]], windows: Sequence[tuple[int, int]]) -> list[Wait]:
    """Return every hop's wait over the traces that began within one of the windows.

    Args:
        spans: name, trace, begin and end of each; all times are nanoseconds since 1970.
        windows: each from a time to another.
    """
    traces: dict[str, dict[str, tuple[int, int]]] = {}
    for name, trace, begin, end in spans:
        # The edge's span is named after its route.
        traces.setdefault(trace, {})[str(name).partition(" ")[0]] = (begin, end)
    counted = [trace for trace in traces.values() if _is_counted(trace, windows)]
    return [
        _wait(hop, sorted((trace[last][edge] - trace[first][side]) / 1e6 for trace in counted))
        for hop, (first, side), (last, edge) in HOPS
        if counted
    ]


def _is_counted(trace: Mapping[str, tuple[int, int]], windows: Sequence[tuple[int, int]]) -> bool:
    """Whether a trace has every span, and began in time: one whose score was late, for example, has not."""
    if not all(first[0] in trace and last[0] in trace for _, first, last in HOPS):
        return False
    return any(begin <= trace["POST"][_BEGIN] < end for begin, end in windows)


def _wait(hop: str, ordered: list[float]) -> Wait:
    return Wait(
        hop=hop,
        count=len(ordered),
        mean_ms=sum(ordered) / len(ordered),
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
    )


def table(found: Sequence[Mapping[str, Any]], title: str) -> Table:
    """Lay out a row per hop."""
    caption = "of the webhooks that are traced, 1 in 20; percentiles don't add up, means do"
    laid = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    laid.add_column("part of the way", no_wrap=True)
    for heading in ("mean ms", "p50 ms", "p99 ms"):
        laid.add_column(heading, justify="right")
    for each in found:
        laid.add_row(each["hop"], *(f"{each[name]:.2f}" for name in ("mean_ms", "p50_ms", "p99_ms")))
    return laid
