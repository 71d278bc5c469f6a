"""The span of one sampled item: what the SDK exports, without what it asks of every span.

The SDK's own span is made for libraries that don't know each other: it asks the sampler, locks and copies for every
attribute, and looks at each value's type, 17 µs for what is known here beforehand. This one is a handful of fields
until it ends; then the SDK's processor and exporter take it as they would take theirs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.util.types import AttributeValue

_UNSET = Status(StatusCode.UNSET)


class Exporting:
    """What the spans of one process have in common."""

    __slots__ = ("ended", "resource", "scope")

    def __init__(self, resource: Resource, scope: InstrumentationScope, ended: Callable[[ReadableSpan], None]) -> None:
        """Tell spans as those of `resource`; `ended` takes each one that ends."""
        self.resource = resource
        self.scope = scope
        self.ended = ended


class ItemSpan(NonRecordingSpan):
    """A span that records. For one task at a time; attributes come from the code, a few each, never from senders."""

    def __init__(
        self,
        name: str,
        context: SpanContext,
        exporting: Exporting,
        *,
        kind: SpanKind,
        parent: SpanContext | None = None,
        links: Sequence[Link] = (),
        start_ns: int | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        """Begin now, or at `start_ns` nanoseconds since the Unix epoch."""
        super().__init__(context)
        self._name = name
        self._exporting: Exporting | None = exporting
        self._kind = kind
        self._parent = parent
        self._links = links
        self._start_ns = start_ns or time.time_ns()
        self._attributes: dict[str, AttributeValue] = {**attributes} if attributes else {}
        self._status = _UNSET

    def is_recording(self) -> bool:
        """Return whether it has not ended yet."""
        return self._exporting is not None

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Say something of it."""
        self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Say several things of it."""
        self._attributes.update(attributes)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Say how it ended."""
        self._status = status if isinstance(status, Status) else Status(status, description)

    def end(self, end_time: int | None = None) -> None:
        """End it now, or at `end_time` nanoseconds since the Unix epoch; what is said afterwards is not exported."""
        exporting, self._exporting = self._exporting, None
        if exporting is None:
            return
        exporting.ended(
            ReadableSpan(
                name=self._name,
                context=self.get_span_context(),
                parent=self._parent,
                resource=exporting.resource,
                attributes=_copy(self._attributes),
                links=self._links,
                kind=self._kind,
                status=self._status,
                start_time=self._start_ns,
                end_time=end_time or time.time_ns(),
                instrumentation_scope=exporting.scope,
            )
        )


def _copy(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}
