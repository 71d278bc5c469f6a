"""Metrics and incidents of several workers as one: added, and never going back when a worker is replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import generate_latest

from edge import board
from edge.board import Board
from edge.incidents import Incidents, windows
from edge.merging import Shown
from edge.worker_group import WorkerGroup
from mesh import logs

Start = Callable[[int], "Worker"]


class Worker:
    """A worker's own metrics and incidents, and what it sees of all."""

    def __init__(self, descriptor: int, place: int) -> None:
        """Start in a place of two."""
        registry = CollectorRegistry()
        self.count = Counter("things", "Things.", ("kind",), registry=registry)
        self.time = Histogram("wait_seconds", "Waits.", buckets=(0.1, 1), registry=registry)
        self.up = Gauge("limit_storage_up", "Up.", registry=registry)
        self.age = Gauge("batch_queue_age_seconds", "Age.", registry=registry)
        self.queue = Gauge("queue_items", "Waiting.", registry=registry)
        self.incidents = Incidents()
        self.group = WorkerGroup(
            Board(descriptor, slot=place, slots=2),
            registry=registry,
            incidents=self.incidents,
            log=logs.configure("edge", "error"),
        )

    def text(self) -> str:
        """Return what /metrics would show."""
        shown = CollectorRegistry()
        shown.register(Shown(self.group.families()))
        return generate_latest(shown).decode()  # type: ignore[no-untyped-call,no-any-return]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a worker in a place."""
    descriptor = board.make()
    yield lambda place: Worker(descriptor, place)
    os.close(descriptor)


def test_every_worker_shows_the_sums(start: Start) -> None:
    """Counters and histograms are added, also where only one has a label; of a state the worst counts."""
    one, two = start(0), start(1)
    one.count.labels("a").inc(2)
    two.count.labels("a").inc(3)
    two.count.labels("b").inc()
    one.time.observe(0.05)
    two.time.observe(5)
    for worker, up, age, queue in ((one, 1, 5, 2), (two, 0, 9, 3)):
        worker.up.set(up)
        worker.age.set(age)
        worker.queue.set(queue)
    two.group.publish()
    text = one.text()
    for line in (
        'things_total{kind="a"} 5.0',
        'things_total{kind="b"} 1.0',
        'wait_seconds_bucket{le="0.1"} 1.0',
        'wait_seconds_bucket{le="+Inf"} 2.0',
        "wait_seconds_count 2.0",
        "limit_storage_up 0.0",
        "batch_queue_age_seconds 9.0",
        "queue_items 5.0",
    ):
        assert line in text.splitlines()
    assert text.count("# TYPE things counter") == 1


def test_the_latest_exemplar_of_all_workers_is_shown(start: Start) -> None:
    """Whichever worker answers a scrape, a bucket has one exemplar: the newest of theirs, also after a restart."""
    one, two = start(0), start(1)
    one.time.observe(0.05, {"trace_id": "older"})
    two.time.observe(0.06, {"trace_id": "newer"})
    two.time.observe(5, {"trace_id": "slow"})
    one.time.observe(0.07)
    for worker in (one, two):
        worker.group.publish()
    for worker in (one, start(1)):
        lines = [line for line in worker.text().splitlines() if line.startswith("wait_seconds_bucket")]
        shown = [line.partition(" # ")[2].rpartition(" ")[0] for line in lines]
        assert shown == ['{trace_id="newer"} 0.06', "", '{trace_id="slow"} 5.0']


def test_counts_survive_the_worker(start: Start) -> None:
    """A worker that was killed leaves its counts to the one in its place: no sum ever goes back."""
    one, two = start(0), start(1)
    one.count.labels("a").inc(2)
    one.incidents.note("NOT_DURABLE", status=503, where="autopay", request_id="r", trace_id="t")
    one.group.publish()
    following = start(0)
    assert 'things_total{kind="a"} 2.0' in two.text()
    following.count.labels("a").inc()
    following.incidents.note("NOT_DURABLE", status=503, where="autopay", request_id="r", trace_id="t")
    following.group.publish()
    assert 'things_total{kind="a"} 3.0' in two.text()
    assert windows(two.group.incidents(), time.time())["5m"]["total"] == 2


def test_publishing_again_adds_nothing(start: Start) -> None:
    """What is published is a state, and not a change."""
    one, two = start(0), start(1)
    one.count.labels("a").inc()
    for _ in range(3):
        one.group.publish()
    assert 'things_total{kind="a"} 1.0' in two.text()
    assert 'things_total{kind="a"} 1.0' in one.text()
