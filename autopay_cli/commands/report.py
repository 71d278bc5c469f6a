"""`autopay report`: what was paid in a period, as a document."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from autopay_cli.failure import Failure
from autopay_cli.insight_access import Insight, InsightAccess
from autopay_cli.options import DataDirectory
from autopay_cli.payment_words import instant

_TIMEOUT_S: Final = 60.0
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_ago = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII).fullmatch


class Format(StrEnum):
    """How a report is rendered."""

    HTML = "html"
    JSON = "json"
    MARKDOWN = "md"
    PDF = "pdf"


def report(
    *,
    since: Annotated[
        str, typer.Option("--since", help="How far back (90m, 24h, 7d, 4w), or a date or time, UTC.")
    ] = "24h",
    until: Annotated[str, typer.Option("--until", help="The same for the end. Default: now.", show_default=False)] = "",
    form: Annotated[Format, typer.Option("--format", help="How to render it.")] = Format.MARKDOWN,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file to write. Default: standard output.", show_default=False)
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="The report that INSIGHT_REPORT_CRON stored last, instead of a new one.")
    ] = False,
    insight: Insight = "",
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Write a report: volumes, success, top accounts, what stands out, beside the period before."""
    if form is Format.PDF and out is None and sys.stdout.isatty():
        raise Failure("PDF is nothing for a terminal: name a file with --out.")
    now = datetime.now(UTC)
    start, end = (None, None) if stored else (moment(since, now, "--since"), moment(until or "0", now, "--until"))
    content = _ask(insight, data_dir, form, start, end)
    if out is None:
        sys.stdout.buffer.write(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise Failure(f"can't write {out}: {error.strerror}.") from error
    typer.echo(f"{out}: {len(content):,} bytes")


def moment(text: str, now: datetime, option: str) -> datetime:
    """Return how long before `now`, or which date or time, a text names; "0" is now.

    Raises:
        Failure: it is neither.
    """
    if text == "0":
        return now
    if found := _ago(text):
        return now - int(found[1]) * _UNITS[found[2]]
    parsed = instant(text, option)
    if not isinstance(parsed, datetime):
        raise Failure(f"{option}: write 24h, 7d, a date or a time.")
    return parsed


def _ask(target: str, data_dir: Path, form: Format, start: datetime | None, end: datetime | None) -> bytes:
    from autopay.insight.v1 import insight_pb2

    request = insight_pb2.GenerateReportRequest(format=f"REPORT_FORMAT_{form.name}", stored=start is None)
    if start is not None and end is not None:
        request.since_ms, request.until_ms = (int(each.timestamp() * 1000) for each in (start, end))
    with InsightAccess.of(target, data_dir).stub() as stub:
        response: insight_pb2.GenerateReportResponse = stub.GenerateReport(request, timeout=_TIMEOUT_S)
    return response.content
