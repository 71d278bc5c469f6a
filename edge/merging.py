"""The metrics of several workers as those of one: what is counted is added, of a state the worst counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

_ADDED: Final = frozenset({"counter", "histogram", "summary"})
# Gauges that say how well something is: of all workers' the least, or the greatest, counts. Others are amounts.
_LEAST: Final = frozenset({"limit_storage_up", "tls_certificate_expiry_timestamp_seconds"})
_GREATEST: Final = frozenset({"batch_queue_age_seconds", "webhook_secrets_stale"})

Families = list[list[Any]]
Series = tuple[str, tuple[tuple[str, str], ...]]


def families_of(registry: CollectorRegistry) -> Families:
    """Return a registry's metrics, ready for JSON."""
    return [
        [
            metric.name,
            metric.documentation,
            metric.type,
            [
                # As a list: a named tuple is none to JSON.
                [each.name, each.labels, each.value, list(each.exemplar) if each.exemplar else None]
                for each in metric.samples
            ],
        ]
        for metric in registry.collect()
    ]


def counted(families: Families) -> Families:
    """Return what outlives a worker: counts do, a gauge says how it is now."""
    return [family for family in families if family[2] in _ADDED]


def merged(workers: Iterable[Families]) -> Families:
    """Return several workers' metrics as one worker's."""
    found: dict[str, _Family] = {}
    for families in workers:
        for name, text, kind, samples in families:
            found.setdefault(name, _Family(text, kind)).take(samples)
    return [[name, family.text, family.kind, family.listed()] for name, family in found.items()]


@dataclass(slots=True)
class _Family:
    text: str
    kind: str
    samples: dict[Series, float] = field(default_factory=dict)
    # Labels, value, time.
    exemplars: dict[Series, Sequence[Any]] = field(default_factory=dict)

    def take(self, samples: Sequence[Any]) -> None:
        for name, labels, value, exemplar in samples:
            if value is None:
                # What is no number is null in JSON.
                continue
            key = (name, tuple(labels.items()))
            if exemplar is not None and (key not in self.exemplars or self.exemplars[key][2] < exemplar[2]):
                self.exemplars[key] = exemplar
            before = self.samples.get(key)
            if before is None:
                self.samples[key] = value
            elif name in _LEAST or name.endswith("_created"):
                self.samples[key] = min(before, value)
            elif name in _GREATEST:
                self.samples[key] = max(before, value)
            else:
                self.samples[key] = before + value

    def listed(self) -> list[list[Any]]:
        return [
            [name, dict(labels), value, self.exemplars.get((name, labels))]
            for (name, labels), value in self.samples.items()
        ]


class Shown(Collector):
    """Families as a registry's collector."""

    def __init__(self, families: Families) -> None:
        """Show `families`."""
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them as prometheus_client's own."""
        for name, text, kind, samples in self._families:
            metric = Metric(name, text, kind)
            for sample, labels, value, exemplar in samples:
                metric.add_sample(sample, labels, value, exemplar=Exemplar(*exemplar) if exemplar else None)
            yield metric
