"""What a running mesh tells at /metrics, and the table of it that docs/metrics.md has."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

_OPENMETRICS: Final = "application/openmetrics-text"
# The runtime's own are of no process of ours.
_FOREIGN: Final = ("python_", "process_")
# A histogram's own label, and one sample of a counter is when it began.
_BUCKET: Final = "le"
_CREATED: Final = "_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric of one process, with the labels it was seen with and how many series it has."""

    name: str
    kind: str
    text: str
    labels: frozenset[str]
    series: int

    @property
    def exposed(self) -> str:
        """The name that a query uses."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def names(self) -> frozenset[str]:
        """Every name that a query may use."""
        if self.kind == "histogram":
            return frozenset(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return frozenset({self.exposed})


def scrape(address: str) -> Sequence[Family]:
    """Return what a process tells at `host:port`."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text, form = answer.read().decode(), answer.headers["Content-Type"]
    parse: Any = openmetrics_families if form.startswith(_OPENMETRICS) else prometheus_families
    families: Iterable[Metric] = parse(text)
    return [_family(each) for each in families if not each.name.startswith(_FOREIGN) and not _is_created(each.name)]


def text(address: str, headers: Mapping[str, str]) -> str:
    """Return a scrape as it is sent to whoever asks with these headers."""
    request = urllib.request.Request(f"http://{address}/metrics", headers=dict(headers))
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return str(answer.read().decode())


def table(scrapes: Mapping[str, Iterable[Family]]) -> str:
    """Return the Markdown table of what these processes tell."""
    rows: dict[str, tuple[Family, set[str]]] = {}
    for process, families in scrapes.items():
        for family in families:
            known, processes = rows.setdefault(family.exposed, (family, set()))
            processes.add(process)
            if len(family.labels) > len(known.labels):
                rows[family.exposed] = (family, processes)
    lines = ["| metric | type | labels | process | what |", "|---|---|---|---|---|"]
    for name, (family, processes) in sorted(rows.items()):
        labels = ", ".join(f"`{label}`" for label in sorted(family.labels))
        lines.append(f"| `{name}` | {family.kind} | {labels} | {', '.join(sorted(processes))} | {family.text} |")
    return "\n".join(lines)


def rows(text: str) -> Mapping[str, tuple[str, ...]]:
    """Return the rows of such a table by the metric: type, labels, process, what."""
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines()[2:]]
    return {row[0]: row[1:] for row in cells}


def series(scrapes: Mapping[str, Iterable[Family]]) -> int:
    """Return how many series there are in all."""
    return sum(family.series for families in scrapes.values() for family in families)


def _is_created(name: str) -> bool:
    return name.endswith(_CREATED)


def _family(family: Metric) -> Family:
    samples = [sample for sample in family.samples if not _is_created(sample.name)]
    labels = {label for sample in samples for label in sample.labels} - {_BUCKET}
    return Family(
        name=family.name,
        kind=family.type,
        text=family.documentation,
        labels=frozenset(labels),
        series=len(samples),
    )
