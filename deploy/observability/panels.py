"""Writes the Grafana dashboards beside this file from the panels below: python deploy/observability/panels.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent / "dashboards"
_WIDTH, _HEIGHT, _ACROSS = 12, 8, 2

# Title, unit, and the queries with their legends.
Panel = tuple[str, str, Sequence[tuple[str, str]]]


def _quantile(share: str, family: str, by: str = "") -> str:
    return (
        f"histogram_quantile({share}, sum by (le{', ' + by if by else ''}) (rate({family}_bucket[$__rate_interval])))"
    )


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _mean(family: str, job: str) -> str:
    total, count = (f'sum(rate({family}_{part}{{job="{job}"}}[$__rate_interval]))' for part in ("sum", "count"))
    return f"{total} / {count}"


PANELS: Final[Mapping[str, Sequence[Panel]]] = {
    "overview": (
        ("Webhooks by answer", "reqps", [(_rate("webhooks_total", "status"), "{{status}}")]),
        (
            "Error budget burn, 1 h",
            "none",
            [("autopay:webhook_errors:ratio_1h / 0.001", "errors"), ("autopay:webhook_slow:ratio_1h / 0.01", "slow")],
        ),
        (
            "Time to answer a webhook",
            "s",
            [
                (_quantile("0.5", "webhook_duration_seconds"), "p50"),
                (_quantile("0.99", "webhook_duration_seconds"), "p99"),
            ],
        ),
        ("Oldest in a queue", "s", [("max by (job) (batch_queue_age_seconds)", "{{job}}")]),
        (
            "Calls that failed",
            "reqps",
            [
                (
                    'sum by (method, code) (rate(rpc_server_calls_total{code!="OK"}[$__rate_interval]))',
                    "{{method}} {{code}}",
                )
            ],
        ),
        (
            "Days until a certificate ends",
            "d",
            [("min by (job) ((tls_certificate_expiry_timestamp_seconds - time()) / 86400)", "{{job}}")],
        ),
    ),
    "edge": (
        ("Webhooks by source", "reqps", [(_rate("webhooks_total", "source"), "{{source}}")]),
        ("Outcomes", "reqps", [(_rate("webhooks_total", "outcome"), "{{outcome}}")]),
        (
            "Refused",
            "reqps",
            [
                (
                    'sum by (source, status) (rate(webhooks_total{status=~"4.."}[$__rate_interval]))',
                    "{{source}} {{status}}",
                )
            ],
        ),
        ("Keys in use", "reqps", [(_rate("webhook_key_uses_total", "source, key_id"), "{{source}} {{key_id}}")]),
        ("Quarantined", "reqps", [(_rate("webhooks_quarantined_total", "source, outcome"), "{{source}} {{outcome}}")]),
        (
            "Reads, p99",
            "s",
            [(_quantile("0.99", "http_server_request_duration_seconds", "http_route"), "{{http_route}}")],
        ),
        (
            "Batch size",
            "none",
            [
                (
                    _mean("batch_items", "edge"),
                    "items",
                )
            ],
        ),
        ("Bytes that wait", "bytes", [('sum(batch_queue_bytes{job="edge"})', "bytes")]),
        ("Limits", "reqps", [(_rate("limit_hits_total", "limit, result"), "{{limit}} {{result}}")]),
    ),
    "ledger": (
        ("Outcomes of events", "ops", [(_rate("ledger_outcomes_total", "outcome"), "{{outcome}}")]),
        ("Deliveries", "ops", [(_rate("ledger_items_total", "result"), "{{result}}")]),
        (
            "Time of a batch to be durable",
            "s",
            [(_quantile("0.5", "ledger_write_seconds"), "p50"), (_quantile("0.99", "ledger_write_seconds"), "p99")],
        ),
        (
            "Batch size",
            "none",
            [
                (
                    _mean("batch_items", "ledger"),
                    "items",
                )
            ],
        ),
        (
            "Calls, p99",
            "s",
            [
                (
                    _quantile("0.99", "rpc_server_duration_seconds", "method"),
                    "{{method}}",
                )
            ],
        ),
        ("Oldest in the queue", "s", [('max(batch_queue_age_seconds{job="ledger"})', "age")]),
    ),
    "insight": (
        ("Scores by level", "ops", [(_rate("insight_scores_total", "level"), "{{level}}")]),
        ("Scores that came in time", "ops", [(_rate("ingest_scores_total", "result"), "{{result}}")]),
        ("Feed lag", "s", [("max(insight_feed_lag_seconds)", "lag")]),
        (
            "Changes learnt",
            "ops",
            [
                ("sum(rate(insight_feed_changes_total[$__rate_interval]))", "changes"),
                ("sum(insight_learning)", "replicas that learn"),
            ],
        ),
        ("Labels", "ops", [(_rate("insight_labels_total", "label, by"), "{{label}} by {{by}}")]),
        (
            "Gemini, p95",
            "s",
            [(_quantile("0.95", "gen_ai_client_operation_duration_seconds", "error_type"), "{{error_type}}")],
        ),
        (
            "Tokens",
            "none",
            [
                (
                    "sum by (gen_ai_token_type) (rate(gen_ai_client_token_usage_sum[$__rate_interval]))",
                    "{{gen_ai_token_type}}",
                )
            ],
        ),
        ("US dollars a day", "currencyUSD", [("sum(rate(insight_gemini_usd_total[1h])) * 86400", "$")]),
        ("Circuit (2 is open)", "none", [("max(insight_gemini_circuit)", "state")]),
    ),
}


def dashboard(name: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """Return a dashboard in Grafana's own form."""
    return {
        "uid": f"autopay-{name}",
        "title": f"AutoPay: {name}",
        "tags": ["autopay"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    title, unit, queries = panel
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": number % _ACROSS * _WIDTH, "y": number // _ACROSS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(queries)
        ],
    }


def render(name: str) -> str:
    """Return the file of a dashboard."""
    return json.dumps(dashboard(name, PANELS[name]), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in PANELS:
        (HERE / f"{each}.json").write_text(render(each), encoding="utf-8")
