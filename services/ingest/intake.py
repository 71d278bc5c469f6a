"""The act of taking deliveries in: map each alone, have all scored, have all recorded, answer each."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec.structs import replace
from opentelemetry.trace import Span, StatusCode
from structlog.typing import FilteringBoundLogger

from mesh.errors import Fault, Kind, invalid
from mesh.tracing import Tracing, traceparent_of
from providers.contract import Event, Unprocessable, Wrong
from services.ingest.mappings import Mappings
from services.ingest.metrics import IngestMetrics
from services.ingest.model import Answer, Delivery, Disposition, Entry, RiskMessage
from services.ingest.ports import Encode, Ledger, Scorer

DELIVERIES_MAX: Final = 256
BATCH_BYTES_MAX: Final = 1_048_576
_EXPONENT_MAX: Final = 4
# Sent again as it is, it would be refused again.
_REFUSED_FOR_GOOD: Final = frozenset({"INVALID_FIELD", "UNSTORABLE"})
# Insight being slow, away or restarting is foreseen; anything else somebody should read about.
_ORDINARY: Final = frozenset({Kind.TIMEOUT, Kind.UNAVAILABLE, Kind.CANCELLED, Kind.EXHAUSTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """What one batch may take.

    Attributes:
        score_s: how long scores are waited for.
        record_s: how long the ledger is waited for.
        amount_max: the highest amount of a native payment in major units of its currency, None for no limit.
    """

    score_s: float
    record_s: float
    amount_max: Decimal | None = None


class Intake:
    """Takes batches of verified deliveries in. Keeps nothing between them."""

    def __init__(
        self,
        mappings: Mappings,
        encode: Encode,
        scorer: Scorer,
        ledger: Ledger,
        *,
        budgets: Budgets,
        tracing: Tracing,
        metrics: IngestMetrics,
        log: FilteringBoundLogger,
    ) -> None:
        """Map with `mappings`; log and count what is unexpected."""
        self._mappings = mappings
        self._encode = encode
        self._scorer = scorer
        self._ledger = ledger
        self._budgets = budgets
        self._amounts_max = _amounts_max(budgets.amount_max)
        self._tracing = tracing
        self._metrics = metrics
        self._log = log

    async def ingest(self, deliveries: Sequence[Delivery], *, timeout_s: float) -> Sequence[Answer]:
        """Answer each delivery, in order; a durable answer is given only after the ledger holds it.

        Raises:
            Fault: the batch is empty or too large, or the ledger's answer for the whole batch is missing.
        """
        _check(deliveries)
        deadline = asyncio.get_running_loop().time() + timeout_s
        spans: dict[int, Span] = {}
        answers: list[Answer] = [Answer(reason="NOT_DURABLE")] * len(deliveries)
        try:
            entries: list[Entry] = []
            places: list[int] = []
            for place, delivery in enumerate(deliveries):
                prepared = self._prepare(delivery, self._begin_span(place, delivery, spans))
                if isinstance(prepared, Answer):
                    answers[place] = prepared
                else:
                    entries.append(prepared)
                    places.append(place)
            if entries:
                for place, answer in zip(places, await self._settle(entries, deadline), strict=True):
                    answers[place] = answer
        finally:
            if spans:
                _end_spans(spans, answers)
        self._metrics.answered(answers)
        self._log.debug("batch", deliveries=len(deliveries), sent=len(entries))
        return answers

    def _begin_span(self, place: int, delivery: Delivery, spans: dict[int, Span]) -> str:
        """Return the traceparent for the next hops: our own span's where the delivery is sampled."""
        span = self._tracing.item("ingest", delivery.traceparent)
        if span is None:
            return delivery.traceparent
        spans[place] = span
        return traceparent_of(span)

    def _prepare(self, delivery: Delivery, traceparent: str) -> Entry | Answer:
        """Map one delivery alone: whatever is wrong with it is its own answer."""
        provider = self._mappings.of(delivery.source, delivery.provider)
        if provider is None:
            return Answer(reason="SOURCE_UNKNOWN")
        try:
            events = provider.map(delivery.body, delivery.headers)
            if provider.native and self._amounts_max is not None:
                self._check_amounts(events, self._amounts_max)
            messages = [self._encode(event) for event in events]
        except Unprocessable as error:
            unprocessable = Disposition.UNPROCESSABLE
            if provider.native:
                return Answer(disposition=unprocessable, reason="INVALID_FIELD", wrong=error.wrong)
            # Kept and acknowledged: refused, the provider would stall its queue, and the fact would be lost.
            return Entry(
                delivery=delivery,
                events=(),
                traceparent=traceparent,
                disposition=unprocessable,
                wrong=error.wrong,
            )
        except Exception as error:  # noqa: BLE001 - one body that trips a mapping must not take 255 others with it
            self._log_bug("mapping failed", error, delivery_id=delivery.delivery_id, provider=delivery.provider)
            return Answer(reason="INTERNAL")
        disposition = Disposition.UNSPECIFIED if messages else Disposition.IGNORED
        return Entry(delivery=delivery, events=messages, traceparent=traceparent, disposition=disposition)

    def _check_amounts(self, events: Sequence[Event], amounts_max: Sequence[int]) -> None:
        for event in events:
            if event.amount_minor is not None and event.amount_minor > amounts_max[event.exponent]:
                raise Unprocessable([Wrong("amount", "must be at most the limit set for amounts")])

    async def _settle(self, entries: Sequence[Entry], deadline: float) -> Sequence[Answer]:
        risks = await self._risks(entries)
        left_s = deadline - asyncio.get_running_loop().time()
        answers = await self._ledger.record(entries, risks, timeout_s=min(self._budgets.record_s, left_s))
        settled = [_told(entry, answer) for entry, answer in zip(entries, answers, strict=True)]
        if any(answer.reason in _REFUSED_FOR_GOOD and not answer.durable for answer in settled):
            await self._keep_refused(entries, settled, deadline)
        return settled

    async def _keep_refused(self, entries: Sequence[Entry], answers: list[Answer], deadline: float) -> None:
        """Have the ledger keep the bytes of what it can never record, where its sender can't put it right.

        Asked to send it again, a third party would do so for ever, or give up; kept, it waits for a person. What can't
        be stored even so keeps the ledger's reason.
        """
        kept: dict[int, Entry] = {}
        for place, (entry, answer) in enumerate(zip(entries, answers, strict=True)):
            provider = self._mappings.of(entry.delivery.source, entry.delivery.provider)
            refused = answer.reason in _REFUSED_FOR_GOOD and not answer.durable and entry.events
            if refused and provider is not None and not provider.native:
                wrong = answer.wrong or (Wrong("events", "can't be recorded"),)
                kept[place] = replace(entry, events=(), disposition=Disposition.UNPROCESSABLE, wrong=wrong)
        if not kept:
            return
        left_s = deadline - asyncio.get_running_loop().time()
        try:
            again = await self._ledger.record(list(kept.values()), (), timeout_s=min(self._budgets.record_s, left_s))
        except Fault:
            # The others' answers stand; what became of these is unknown, so they are to be sent again.
            again = [Answer(reason="NOT_DURABLE")] * len(kept)
        for (place, entry), answer in zip(kept.items(), again, strict=True):
            answers[place] = _told(entry, answer)

    async def _risks(self, entries: Sequence[Entry]) -> Sequence[RiskMessage | None]:
        """Return a risk per event; none where scoring fails, because insight can't fail a webhook."""
        count = sum([len(entry.events) for entry in entries])
        if not count:
            return ()
        try:
            risks = await self._scorer.score(entries, timeout_s=self._budgets.score_s)
        except Fault as fault:
            self._metrics.scores.add(fault.kind.value, by=count)
            if fault.kind not in _ORDINARY:
                self._log.warning("scoring failed", events=count, reason=fault.reason, kind=fault.kind.value)
            return [None] * count
        except Exception as error:  # noqa: BLE001 - as above: nothing in scoring may fail a webhook
            self._metrics.scores.add("bug", by=count)
            self._log_bug("scoring failed", error)
            return [None] * count
        self._metrics.scores.add("scored", by=count)
        return risks

    def _log_bug(self, event: str, error: Exception, **fields: str) -> None:
        # Where it broke, without the error's own text: that may quote the payload.
        frames = "".join(traceback.format_tb(error.__traceback__))
        self._log.error(event, error=type(error).__name__, traceback=frames, **fields)


def _told(entry: Entry, answer: Answer) -> Answer:
    """Return an answer with what we found wrong, where the ledger keeps it for that."""
    return replace(answer, reason="INVALID_FIELD", wrong=entry.wrong) if entry.wrong and answer.durable else answer


def _check(deliveries: Sequence[Delivery]) -> None:
    if not deliveries:
        raise invalid("deliveries", f"must hold 1 to {DELIVERIES_MAX} deliveries")
    if len(deliveries) > DELIVERIES_MAX:
        raise _too_large("deliveries", DELIVERIES_MAX)
    if len(deliveries) > 1 and sum([len(delivery.body) for delivery in deliveries]) > BATCH_BYTES_MAX:
        raise _too_large("bytes of bodies", BATCH_BYTES_MAX)


def _too_large(what: str, limit: int) -> Fault:
    return Fault(
        kind=Kind.INVALID,
        reason="TOO_LARGE",
        message=f"deliveries: at most {limit} {what} fit into one call; send several.",
        metadata={"limit": str(limit)},
    )


def _amounts_max(amount_max: Decimal | None) -> Sequence[int] | None:
    """Return the limit in minor units, by the currency's number of decimals."""
    if amount_max is None:
        return None
    return [int(amount_max.scaleb(exponent)) for exponent in range(_EXPONENT_MAX + 1)]


def _end_spans(spans: Mapping[int, Span], answers: Sequence[Answer]) -> None:
    for place, span in spans.items():
        answer = answers[place]
        span.set_attribute("autopay.disposition", answer.disposition.name.lower())
        if not answer.durable:
            span.set_status(StatusCode.ERROR, answer.reason)
        span.end()
