"""What the processes tell while webhooks run: every documented metric, one identity, lines that name their trace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, HistogramDataPoint, Metric

from autopay_cli.addresses import free_ports
from tests import queries, scraping
from tests.mesh_traffic import Sender, payment
from tests.otlp_receiver import OtlpReceiver, receiving_beside
from tests.patience import until
from tests.scraping import Family
from tests.servers import RunningUp, bare_environment, running_up, why_no_mongod

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/metrics.md"
SERVICES = ("ingest", "ledger", "insight")
PROCESSES = {f"autopay-{name}" for name in ("edge", *SERVICES)}
SCENARIOS = "valid,duplicate,conflict,bad-signature,stale,malformed"
# The histograms of what has a span: one per webhook, read, batch of the ledger, and call to the model.
EXEMPLIFIED = (
    ("autopay-edge", "autopay.webhook_duration"),
    ("autopay-edge", "http.server.request.duration"),
    ("autopay-ledger", "autopay.ledger_write"),
    ("autopay-insight", "gen_ai.client.operation.duration"),
)
# Telling takes a second, and on a machine that does much else longer; how long is not asserted.
PATIENCE_S = 60.0
# What may come with label values not seen before, over all processes: a status, a method, an error of Gemini's; a
# histogram is 14 series each time. Ten thousand ids or accounts would be thousands.
GROWTH_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A mesh that answered webhooks, whom to scrape, and what it pushed."""

    up: RunningUp
    metrics: Mapping[str, str]
    receiver: OtlpReceiver

    def scrape(self) -> Mapping[str, Sequence[Family]]:
        """What each process tells now."""
        return {process: scraping.scrape(address) for process, address in self.metrics.items()}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A whole mesh under mutual TLS that pushes to a receiver, after one run of `autopay simulate` and a few reads."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    metrics = dict(zip(SERVICES, (f"127.0.0.1:{port}" for port in free_ports(len(SERVICES))), strict=True))
    binds = {f"{process.upper()}_METRICS_BIND": address for process, address in metrics.items()}
    with receiving_beside() as receiver:
        # The scenario of wrong signatures would be turned away.
        binds["EDGE_LIMIT_UNVERIFIED"] = "100000/minute"
        # A model that can't be reached: its metrics are there, and one of them says so.
        binds |= {"GEMINI_API_KEY": "none", "INSIGHT_GEMINI_ENDPOINT": "127.0.0.1:1", "LEDGER_ANALYSIS_POLICY": "all"}
        soon = {"OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_TRACES_SAMPLER": "always_on"}
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, **soon, **binds}
        data = tmp_path_factory.mktemp("telemetry") / "data"
        with running_up(data, "--mtls", **variables) as up:
            simulate(up, "--scenario", SCENARIOS, "--count", "300", "--rate", "0")
            read(up)
            yield Observed(up=up, metrics={**metrics, "edge": admin_of(up)}, receiver=receiver)


def simulate(up: RunningUp, *options: str) -> None:
    """Run the command, which fails where an answer is not the expected one."""
    command = [sys.executable, "-m", "autopay_cli", "simulate", "--data-dir", str(up.data), *options]
    subprocess.run(command, env=bare_environment(), capture_output=True, check=True, timeout=100)


def read(up: RunningUp) -> None:
    """Ask for what there is without a key."""
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{up.mesh.edge}/transaction/none", timeout=10)  # noqa: S310 - a loopback address
    refused.value.close()


def admin_of(up: RunningUp) -> str:
    """Where the edge's admin port is."""
    line = next(line for line in (up.data / "logs/edge.log").read_text().splitlines() if '"listening"' in line)
    return str(json.loads(line)["admin"])


def pushed(observed: Observed) -> Mapping[tuple[str, str], Metric]:
    """The latest of every metric that came, by its process and name."""
    return {
        (told.resource["service.name"], metric.name): metric
        for told in observed.receiver.told
        for metric in told.metrics
    }


def test_every_metric_is_documented_with_its_type_and_labels(observed: Observed) -> None:
    """docs/metrics.md has exactly the table of what is told; a new metric shows here what to put there."""
    text = next(part for part in DOCUMENT.read_text().split("\n\n") if part.startswith("| metric |"))
    documented, told = scraping.rows(text), scraping.rows(scraping.table(observed.scrape()))
    for name, (kind, labels, *rest) in told.items():
        # A metric that was not counted yet shows no labels.
        assert documented.get(name, ())[:1] == (kind,), f"add to docs/metrics.md: {name}"
        assert documented[name] == (kind, labels or documented[name][1], *rest)
    assert set(documented) == set(told)


def test_every_metric_that_a_rule_or_a_panel_names_is_told(observed: Observed) -> None:
    """An alert on a metric that nobody tells would be silent for ever."""
    told = {name for families in observed.scrape().values() for family in families for name in family.names}
    assert queries.metrics_of(queries.rules() + queries.panels()) - queries.FOREIGN - told == set()


def test_metrics_and_logs_are_pushed_with_one_identity(observed: Observed) -> None:
    """Each process names itself alike on its traces, metrics and logs."""
    deadline = time.monotonic() + PATIENCE_S

    def identities(kind: str) -> set[tuple[str, ...]]:
        found = observed.receiver.told if kind != "spans" else []
        resources = [told.resource for told in found if getattr(told, kind)] or observed.receiver.resources
        keys = ("service.name", "service.version", "service.instance.id", "deployment.environment.name")
        return {tuple(resource[key] for key in keys) for resource in resources}

    while {each[0] for each in identities("metrics")} != PROCESSES or identities("logs") != identities("spans"):
        assert time.monotonic() < deadline, (identities("metrics"), identities("logs"), identities("spans"))
        time.sleep(0.2)
    assert identities("metrics") == identities("logs") == identities("spans")
    assert len(identities("metrics")) == len(PROCESSES)


def test_pushed_metrics_go_by_the_names_of_the_conventions(observed: Observed) -> None:
    """RPCs and reads are named as OpenTelemetry names them, and cumulative counts agree with the scrape."""
    deadline, metrics = time.monotonic() + PATIENCE_S, pushed(observed)
    while ("autopay-edge", "http.server.request.duration") not in metrics:
        assert time.monotonic() < deadline, sorted(metrics)
        time.sleep(0.2)
        metrics = pushed(observed)
    calls = metrics["autopay-ledger", "rpc.server.call.duration"]
    assert calls.unit == "s"
    [record] = [
        point
        for point in calls.histogram.data_points
        if any(each.value.string_value.endswith("/Record") for each in point.attributes)
    ]
    assert record.count == sum(record.bucket_counts) > 0
    assert {each.key for each in record.attributes} == {"rpc.method"}
    reads = metrics["autopay-edge", "http.server.request.duration"].histogram.data_points
    assert {each.key for point in reads for each in point.attributes} == {"http.route", "http.response.status_code"}
    assert metrics["autopay-ledger", "autopay.ledger_outcomes"].sum.is_monotonic


@pytest.mark.parametrize("metric", EXEMPLIFIED)
async def test_buckets_name_a_sampled_trace(observed: Observed, metric: tuple[str, str]) -> None:
    """A pushed histogram carries the trace of a request that fell into a bucket, and that trace is there."""

    def exemplars() -> Sequence[tuple[HistogramDataPoint, Exemplar]]:
        points = pushed(observed)[metric].histogram.data_points if metric in pushed(observed) else ()
        return [(point, each) for point in points for each in point.exemplars]

    await until(lambda: bool(exemplars()))
    for point, each in exemplars():
        place = bisect_left(point.explicit_bounds, each.as_double)
        assert point.bucket_counts[place] > 0
    named = {(each.trace_id.hex(), each.span_id.hex()) for _, each in exemplars()}
    await until(lambda: named <= {span.ids for span in observed.receiver.spans})
    processes = {span.process for span in observed.receiver.spans if span.ids in named}
    assert processes == {metric[0]}


def test_a_scrape_names_them_too(observed: Observed) -> None:
    """OpenMetrics has the same exemplars; who asks for Prometheus' older text gets none, which it could not hold."""
    wants = {"Accept": "application/openmetrics-text; version=1.0.0"}
    for process, name in (("edge", "webhook_duration_seconds"), ("ledger", "ledger_write_seconds")):
        text = scraping.text(observed.metrics[process], wants)
        assert re.search(
            rf'^{name}_bucket{{le="[^"]+"}} [0-9.]+ # {{span_id="\w{{16}}",trace_id="\w{{32}}"}} ', text, re.MULTILINE
        )
    assert "trace_id" not in scraping.text(observed.metrics["ledger"], {})


async def test_log_lines_name_their_trace(observed: Observed) -> None:
    """A webhook's line carries its trace's id as OTLP does, beside its fields."""
    lines = [
        record
        for told in observed.receiver.told
        if told.resource["service.name"] == "autopay-edge"
        for record in told.logs
        if record.body.string_value == "webhook"
    ]
    assert lines
    named = {record.trace_id.hex() for record in lines}
    # Lines leave every second, spans when enough have gathered or five seconds have passed.
    await until(lambda: named <= {span.trace_id for span in observed.receiver.spans})
    assert {each.key for each in lines[0].attributes} >= {"request_id", "source", "outcome", "status"}


async def test_ten_thousand_ids_and_accounts_add_no_series(observed: Observed) -> None:
    """No label holds what a sender chooses: the series after 10,000 payments are those from before."""
    before = scraping.series(observed.scrape())
    bodies = [payment(f"series-{n}", sender=f"from-{n}", receiver_account=f"to-{n}") for n in range(10_000)]
    async with aiohttp.ClientSession() as session:
        sender = Sender(session, observed.up.mesh.edge, secret=observed.up.mesh.hmac_secret)
        replies = await sender.send_all(bodies)
        # Whoever is told to come again, since other programs have the processors, does.
        for body, reply in zip(bodies, replies, strict=True):
            assert reply.status in {200, 503}
            if reply.status != 200:
                await sender.send_until_accepted(body, timeout_s=30)
    assert scraping.series(observed.scrape()) - before <= GROWTH_MAX


def test_every_family_is_bounded(observed: Observed) -> None:
    """No metric has hundreds of series."""
    families = [family for process in observed.scrape().values() for family in process]
    assert max(family.series for family in families if family.kind != "histogram") < 100
    assert not any(re.search(r"id$|account", label) for each in families for label in each.labels - {"key_id"})
