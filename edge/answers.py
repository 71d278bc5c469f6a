"""What a sender is told: the outcome table of docs/architecture.md, for native senders and for third parties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from edge.model import Answer, Disposition, Outcome
from edge.problems import problem
from edge.representations import Acknowledged, Acknowledgement
from edge.whole_response import Head, WholeResponse
from providers.contract import Provider

# Answer, source, request id, trace id → what is sent, and its outcome in a word for logs and metrics.
Answering = Callable[[Answer, str, str, str], tuple[web.Response, str]]

# Outcomes that a person has to look at: what arrived waits in the ledger's quarantine.
QUARANTINED: Final = frozenset({"conflict", "unprocessable"})

_STATUS_WORDS: Final[Mapping[Outcome, Acknowledged]] = {
    Outcome.CREATED: "processed",
    Outcome.UPDATED: "updated",
    Outcome.STALE: "stale",
    Outcome.DUPLICATE: "already_processed",
}
# Looked up here: an enum's own `name` costs five times as much.
_OUTCOME_NAMES: Final = {outcome: outcome.name for outcome in Outcome}
_ACKNOWLEDGED: Final = frozenset(
    {Disposition.RECORDED, Disposition.DUPLICATE, Disposition.IGNORED, Disposition.WAITING, Disposition.DISMISSED}
)
# Sending these again can't help: the sender has to change the delivery.
_UNSTORABLE: Final = "UNSTORABLE"
_REFUSED_FOR_GOOD: Final = frozenset({"INVALID_FIELD", _UNSTORABLE})
_JSON: Final = Head({"Content-Type": "application/json", "Cache-Control": "no-store"})
# Kept, and not recorded as it came. A third party can't correct it, and would stop sending if it were refused.
_KEPT_WORDS: Final = {Disposition.UNPROCESSABLE: "unprocessable", Disposition.CONFLICT: "conflict"}
_EVENTLESS_WORDS: Final[Mapping[Disposition, Acknowledged]] = {
    Disposition.WAITING: "waiting",
    Disposition.DISMISSED: "dismissed",
}


def answering(provider: Provider) -> Answering:
    """Return how deliveries of a provider are answered."""
    if provider.native:
        return native
    body = provider.acknowledgement.body
    head = Head({"Content-Type": provider.acknowledgement.content_type, "Cache-Control": "no-store"})

    def third_party(answer: Answer, source: str, request_id: str, trace_id: str) -> tuple[web.Response, str]:
        del source
        if answer.reason == _UNSTORABLE and not answer.durable:
            return _unstorable(request_id, trace_id), "unstorable"
        if not answer.durable or answer.disposition is Disposition.UNKNOWN:
            return not_durable(answer.reason, request_id, trace_id), "not_durable"
        word = _KEPT_WORDS.get(answer.disposition) or _word(answer)
        return WholeResponse(head, body), word

    return third_party


def native(answer: Answer, source: str, request_id: str, trace_id: str) -> tuple[web.Response, str]:
    """Return the HTTP answer to a native delivery, and its outcome in a word for logs and metrics."""
    if answer.durable and answer.disposition in _ACKNOWLEDGED:
        return _acknowledged(answer, source, request_id, trace_id)
    if answer.disposition is Disposition.CONFLICT and answer.durable:
        fields = ", ".join(sorted({event.conflict_field for event in answer.events if event.conflict_field}))
        detail = f"This contradicts what is recorded for the payment ({fields}); it is kept for a person to look at."
        response = problem(
            409,
            "CONFLICT",
            detail,
            request_id=request_id,
            trace_id=trace_id,
            extra={"conflict_field": fields},
        )
        return response, "conflict"
    if answer.disposition is Disposition.UNPROCESSABLE or answer.reason in _REFUSED_FOR_GOOD:
        fields = ", ".join(field for field, _ in answer.errors) or "the body"
        detail = f"Nothing was stored. Put right: {fields}."
        reason = answer.reason or "INVALID_FIELD"
        response = problem(422, reason, detail, request_id=request_id, trace_id=trace_id, errors=answer.errors)
        return response, "invalid"
    return not_durable(answer.reason, request_id, trace_id), "not_durable"


def _unstorable(request_id: str, trace_id: str) -> web.Response:
    """Return the 422 to what not even the quarantine can hold: to send it again, for ever, would help nobody."""
    detail = "Neither its events nor its bytes can be stored, now or later; nothing of it is kept."
    return problem(422, _UNSTORABLE, detail, request_id=request_id, trace_id=trace_id)


def not_durable(reason: str, request_id: str, trace_id: str) -> web.Response:
    """Return the 503 that asks for the same delivery again."""
    detail = "The delivery is not known to be durable. Send it again as it is; it can't be doubled."
    return problem(503, reason or "NOT_DURABLE", detail, request_id=request_id, trace_id=trace_id, retry_after_s=1)


def _acknowledged(answer: Answer, source: str, request_id: str, trace_id: str) -> tuple[web.Response, str]:
    word = _word(answer)
    body: Acknowledgement
    if answer.events:
        event = answer.events[0]
        body = {
            "status": word,
            "source": source,
            "request_id": request_id,
            "trace_id": trace_id,
            "tx_id": event.tx_id,
            "event_id": event.event_id,
            "outcome": _OUTCOME_NAMES[event.outcome],
            "transaction_status": event.transaction_status,
            "version": event.version,
            "risk": event.risk,
        }
    else:
        body = {"status": word, "source": source, "request_id": request_id, "trace_id": trace_id}
    return WholeResponse(_JSON, orjson.dumps(body)), word


def _word(answer: Answer) -> Acknowledged:
    if not answer.events:
        return _EVENTLESS_WORDS.get(answer.disposition, "ignored")
    # An outcome that only a newer ledger knows is durable all the same.
    return _STATUS_WORDS.get(answer.events[0].outcome, "processed")
