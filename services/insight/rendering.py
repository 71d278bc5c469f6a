"""Renders a report as JSON, Markdown or one self-contained page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from services.insight.charts import bar_chart, column_chart
from services.insight.report_model import Account, Period, Report, Totals, Volume, change_percent, spaced

MEDIA_TYPES: Final = {
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
}
_TEMPLATES: Final = Path(__file__).parent / "templates"
_special = re.compile(r"([\\`*_{}\[\]<>#|~])")


@dataclass(frozen=True, slots=True, kw_only=True)
class _VolumeRow:
    volume: Volume
    count_change: str
    amount_change: str
    success: str


def to_html(report: Report) -> str:
    """Return one page: no script, nothing loaded from anywhere, light and dark."""
    return _template().render(
        report=report,
        since=_moment(report.period.since_ms),
        until=_moment(report.period.until_ms),
        made=_moment(report.made_at_ms),
        author=_author(report),
        volumes=_volume_rows(report),
        # They escape what they hold themselves.
        time_chart=Markup(column_chart(report.slots, name="times", title="Payments over time")),  # noqa: S704
        status_chart=Markup(bar_chart(report.statuses, name="status", title="Payments by status")),  # noqa: S704
        level_chart=Markup(bar_chart(report.levels, name="level", title="Payments by risk level")),  # noqa: S704
        sides=[
            {"id": "senders", "heading": "Who paid most often", "accounts": report.senders},
            {"id": "receivers", "heading": "Who was paid most often", "accounts": report.receivers},
        ],
        percent=_percent,
        change=_change,
        moment=_moment,
        spaced=spaced,
    )


def to_markdown(report: Report) -> str:
    """Return Markdown with tables."""
    now = report.now
    parts = [
        f"# Payments, {_moment(report.period.since_ms)} to {_moment(report.period.until_ms)} UTC",
        "\n\n".join(_plain(sentence) for sentence in report.narrative.sentences),
        f"*{_author(report)}*",
        "\n".join(
            (
                f"- payments: {now.count:,} ({_change(now.count, report.before.count)})",
                f"- success rate: {_percent(now.success_percent)} (before: {_percent(report.before.success_percent)})",
                f"- of high or critical risk: {report.anomaly_count:,}",
            )
        ),
        "## Volumes",
        _table(
            ("currency", "payments", "change", "amount", "change", "captured", "refunded", "success"),
            [
                (
                    row.volume.currency,
                    f"{row.volume.count:,}",
                    row.count_change,
                    spaced(row.volume.major(row.volume.amount)),
                    row.amount_change,
                    spaced(row.volume.major(row.volume.captured)),
                    spaced(row.volume.major(row.volume.refunded)),
                    row.success,
                )
                for row in _volume_rows(report)
            ],
        ),
        "## When",
        _table(("from (UTC)", "payments"), [(slot.start, f"{slot.count:,}") for slot in report.slots if slot.count]),
        "## Outcomes and risk",
        _table(("status", "payments"), [(name, f"{count:,}") for name, count in report.statuses]),
        _table(("risk", "payments"), [(name, f"{count:,}") for name, count in report.levels]),
        "## Who paid most often",
        _accounts(report.senders),
        "## Who was paid most often",
        _accounts(report.receivers),
        "## What stands out",
        _table(
            ("payment", "risk", "amount", "from", "to", "reasons"),
            [
                (
                    f"{each.source}/{each.tx_id}",
                    f"{each.level} {each.score:.2f}",
                    spaced(each.amount),
                    each.sender,
                    each.receiver,
                    " ".join(each.reasons),
                )
                for each in report.anomalies
            ],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(report: Report) -> bytes:
    """Return the figures; amounts are decimal strings in major units."""
    return orjson.dumps(
        {
            "since": _iso(report.period.since_ms),
            "until": _iso(report.period.until_ms),
            "made_at": _iso(report.made_at_ms),
            "now": _totals(report.now),
            "before": _totals(report.before),
            "statuses": dict(report.statuses),
            "risk_levels": dict(report.levels),
            "senders": [_account(each) for each in report.senders],
            "receivers": [_account(each) for each in report.receivers],
            "slots": [{"start": slot.start, "count": slot.count} for slot in report.slots],
            "anomaly_count": report.anomaly_count,
            "anomalies": [
                {
                    "source": each.source,
                    "tx_id": each.tx_id,
                    "recorded_at": _iso(each.recorded_at_ms),
                    "level": each.level,
                    "score": each.score,
                    "amount": each.amount,
                    "sender": each.sender,
                    "receiver": each.receiver,
                    "reasons": each.reasons,
                }
                for each in report.anomalies
            ],
            "narrative": {"author": report.narrative.author, "sentences": report.narrative.sentences},
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2")


def _volume_rows(report: Report) -> Sequence[_VolumeRow]:
    before = {volume.currency: volume for volume in report.before.volumes}
    rows = []
    for volume in report.now.volumes:
        earlier = before.get(volume.currency)
        rows.append(
            _VolumeRow(
                volume=volume,
                count_change=_change(volume.count, earlier.count if earlier else 0),
                amount_change=_change(volume.amount, earlier.amount if earlier else 0),
                success=_percent(round(100 * volume.paid / volume.decided, 1) if volume.decided else None),
            )
        )
    return rows


def _totals(totals: Totals) -> Mapping[str, Any]:
    return {
        "count": totals.count,
        "success_percent": totals.success_percent,
        "volumes": [
            {
                "currency": volume.currency,
                "count": volume.count,
                "amount": volume.major(volume.amount),
                "captured": volume.major(volume.captured),
                "refunded": volume.major(volume.refunded),
                "paid": volume.paid,
                "decided": volume.decided,
            }
            for volume in totals.volumes
        ],
    }


def _account(account: Account) -> Mapping[str, Any]:
    return {
        "account": account.name,
        "currency": account.currency,
        "count": account.count,
        "amount": account.major,
    }


def _accounts(accounts: Sequence[Account]) -> str:
    return _table(
        ("account", "payments", "amount", "currency"),
        [(each.name, f"{each.count:,}", spaced(each.major), each.currency) for each in accounts],
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "None."
    lines = [headings, ["---"] * len(headings), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _special.sub(r"\\\1", text).replace("\n", " ")


def _author(report: Report) -> str:
    if report.narrative.author == "rules":
        return "Written from the figures by rules."
    return f"Written by {report.narrative.author}; every number in it was checked against the figures."


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _change(now: int, before: int) -> str:
    percent = change_percent(now, before)
    if percent is None:
        return "new" if now else "none"
    return f"{percent:+.1f} %"


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def period_name(period: Period) -> str:
    """Return a file's name for a period, without an ending."""
    return f"payments-{_iso(period.since_ms)[:10]}-{_iso(period.until_ms)[:10]}"
