"""The log's lines as OTLP records: read back in a thread of their own, so that a request pays nothing."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

_SCOPE: Final = InstrumentationScope("autopay")
_SEVERITIES: Final = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
# A second at full speed; what a receiver that is away would make grow is dropped, oldest first.
LINES_MAX: Final = 10_000


class Lines:
    """Holds what was logged since the last export, bounded."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: deque[bytes] = deque(maxlen=LINES_MAX)

    def take(self, lines: Sequence[bytes]) -> None:
        """Take what the log has just written."""
        self._waiting.extend(lines)

    def drain(self, resource: Resource) -> list[ReadableLogRecord]:
        """Return what waits as records of `resource`, and forget it."""
        records = []
        for _ in range(len(self._waiting)):
            record = _record(self._waiting.popleft())
            records.append(ReadableLogRecord(log_record=record, resource=resource, instrumentation_scope=_SCOPE))
        return records


def _record(line: bytes) -> LogRecord:
    fields: dict[str, Any] = orjson.loads(line)
    level, written = fields.pop("level", "info"), fields.pop("ts", "")
    # The process is the resource's.
    fields.pop("process", None)
    body, trace_id = fields.pop("event", ""), fields.pop("trace_id", "")
    observed_ns = time.time_ns()
    record = LogRecord(
        timestamp=_nanoseconds(written) or observed_ns,
        observed_timestamp=observed_ns,
        severity_text=level,
        severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
        body=body,
        attributes={name: value for name, value in fields.items() if value is not None},
    )
    # A line is of a payment's trace, and below no one span of it.
    record.trace_id = _number(trace_id)
    return record


def _nanoseconds(written: str) -> int:
    try:
        return int(datetime.fromisoformat(written).timestamp() * 1_000_000_000)
    except ValueError:
        return 0


def _number(trace_id: str) -> int:
    try:
        return int(trace_id, 16)
    except ValueError:
        return 0
