"""Alerts have a page and are proved to fire and to be quiet; dashboards are what their panels say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.k8s import check
from deploy.observability import panels
from tests import queries

ROOT = Path(__file__).resolve().parents[3]
CASES = [
    each
    for path in sorted(queries.HERE.glob("tests/*.yaml"))
    for test in yaml.safe_load(path.read_text())["tests"]
    for each in test["alert_rule_test"]
]
ALERTS = [rule["alert"] for rule in queries.alerts()]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_the_rules_do_what_their_tests_say() -> None:
    """Prometheus' own tool runs every case."""
    tests = sorted(map(str, queries.HERE.glob("tests/*.yaml")))
    done = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True, check=False)  # noqa: S607 - on PATH
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_firing_and_a_quiet_case(alert: str) -> None:
    """An alert that can't fire, or that always does, is worse than none."""
    cases = [case["exp_alerts"] for case in CASES if case["alertname"] == alert]
    assert any(cases), f"{alert} is nowhere shown to fire"
    assert not all(cases), f"{alert} is nowhere shown to be quiet"


@pytest.mark.parametrize("rule", queries.alerts(), ids=ALERTS)
def test_an_alert_leads_to_its_page(rule: dict[str, Any]) -> None:
    """Whoever is woken finds what to do."""
    page = rule["annotations"]["runbook_url"].rpartition("/")[2]
    text = (ROOT / "docs/runbooks" / page).read_text()
    assert {"## Look", "## Do", "## Over when"} <= set(text.splitlines())
    assert f"({page})" in (ROOT / "docs/runbooks/README.md").read_text()


def test_kubernetes_has_the_same_rules() -> None:
    """The operator's form holds exactly the tested groups."""
    component = yaml.safe_load((check.HERE / "components/observability/rules.yaml").read_text())
    assert component["spec"]["groups"] == queries.groups()


@pytest.mark.parametrize("name", panels.PANELS)
def test_dashboards_are_what_the_panels_say(name: str) -> None:
    """A dashboard is changed in panels.py, which writes it."""
    assert (panels.HERE / f"{name}.json").read_text() == panels.render(name)


def test_metrics_are_found_in_a_query() -> None:
    """Functions, labels, ranges and strings are none."""
    query = """histogram_quantile(0.9, sum by (le, method) (rate(a_bucket{x="b"}[5m]))) > 2 and max(c_d) - time() < 3"""
    assert queries.metrics_of([query, "autopay:webhook_errors:ratio_1h / 0.001"]) == {"a_bucket", "c_d"}


def collector_problems(text: str) -> list[str]:
    """What is wrong with a collector's configuration, by its schema and by what only a reader of all of it sees."""
    config = yaml.safe_load(text)
    schema = yaml.safe_load((queries.HERE / "collector.schema.yaml").read_text())
    found = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(config)]
    for name, pipeline in config["service"]["pipelines"].items():
        for kind in ("receivers", "processors", "exporters"):
            found += [f"{name}: no such {kind}: {each}" for each in set(pipeline[kind]) - set(config[kind])]
        # The limiter can only refuse what comes in if it is asked first.
        found += [] if pipeline["processors"][0] == "memory_limiter" else [f"{name}: not limited first"]
    found += [f"no such extension: {each}" for each in set(config["service"]["extensions"]) - set(config["extensions"])]
    limiter = config["processors"].get("memory_limiter", {})
    if limiter.get("spike_limit_percentage", 0) >= limiter.get("limit_percentage", 0):
        found.append("memory_limiter: a spike may be as large as the limit")
    return found


def test_the_collector_can_read_its_configuration() -> None:
    """Every key is one that its component knows, and what a pipeline names is there."""
    assert collector_problems((queries.HERE / "collector.yaml").read_text()) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("threshold_ms: 500", "threshold: 500"),
        ("type: latency", "type: numeric_attribute"),
        ("status_codes: [ERROR]", "status_codes: [ERR]"),
        ("decision_wait: 5s", "decision_wait: 5"),
        ("exporters: [otlphttp]", "exporters: [otlp]"),
        ("[memory_limiter, batch]", "[batch, memory_limiter]"),
        ("spike_limit_percentage: 20", "spike_limit_percentage: 80"),
        ("extensions: [health_check]", "extensions: [healthcheck]"),
    ],
)
def test_a_wrong_collector_configuration_is_noticed(right: str, wrong: str) -> None:
    """The check can fail: a mistyped key, a setting of another type, a name that nothing has."""
    text = (queries.HERE / "collector.yaml").read_text()
    assert right in text
    assert collector_problems(text.replace(right, wrong))


def test_the_collector_keeps_what_is_looked_for() -> None:
    """Errors, conflicts, what was not durable, slow and risky payments are kept whole, and a share of the rest."""
    config = yaml.safe_load((queries.HERE / "collector.yaml").read_text())
    policies = {policy["name"]: policy for policy in config["processors"]["tail_sampling"]["policies"]}
    assert set(policies) == {"errors", "conflicts", "not-durable", "slow", "risky", "the-rest"}
    # The attributes that the policies ask for are those that spans are given.
    asked = {policy[policy["type"]]["key"] for policy in policies.values() if "key" in policy[policy["type"]]}
    code = "".join(
        path.read_text() for part in ("edge", "services", "mesh") for path in sorted((ROOT / part).rglob("*.py"))
    )
    assert {key for key in asked if not re.search(rf'"{re.escape(key)}"', code)} == set()
