"""Events and their tallies as BSON documents, and back; what is empty is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from bson import Int64

from services.ledger.correction import Correction
from services.ledger.model import Event, EventKind, Outcome, StoredEvent
from services.ledger.tally import ObjectSums, Tally

_KINDS: Final = {kind: kind.name.lower() for kind in EventKind}
_OUTCOMES: Final = {outcome: outcome.name.lower() for outcome in Outcome}
_KIND_OF: Final = {name: kind for kind, name in _KINDS.items()}
_OUTCOME_OF: Final = {name: outcome for outcome, name in _OUTCOMES.items()}


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - BSON's encoder takes a date without a zone for UTC, and fastest


@lru_cache(maxsize=4_096)
def date(time_ms: int) -> datetime:
    """Return a time in milliseconds since the Unix epoch as what BSON encodes fastest; a batch has few different."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def of_event(stored: StoredEvent) -> dict[str, Any]:
    """Return an event as it is embedded in its payment."""
    document = of_fact(stored.event)
    document["outcome"] = _OUTCOMES[stored.outcome]
    if stored.delivery:
        document["delivery"] = stored.delivery
    document["delivery_id"] = stored.delivery_id
    document["recorded_at"] = date(stored.recorded_at_ms)
    return document


def of_fact(event: Event) -> dict[str, Any]:
    """Return an event by itself."""
    document: dict[str, Any] = {"event_id": event.event_id, "kind": _KINDS[event.kind]}
    if event.object_id:
        document["object_id"] = event.object_id
    if event.amount is not None:
        document["amount"] = Int64(event.amount)
        document["currency"] = event.currency
        document["exponent"] = event.exponent
        document["cumulative"] = event.cumulative
        document["amount_fixed"] = event.amount_fixed
    if event.sender:
        document["sender_account"] = event.sender
    if event.receiver:
        document["receiver_account"] = event.receiver
    if event.time_ms:
        document["time"] = date(event.time_ms)
        document["time_signed"] = event.time_signed
    if event.description:
        document["description"] = event.description
    if event.aliases:
        document["aliases"] = list(event.aliases)
    document["content"] = event.content
    if event.dispute_reason:
        document["dispute_reason"] = event.dispute_reason
    if event.correction is not None:
        document["correction"] = _of_correction(event.correction)
    return document


def to_events(tx_id: str, documents: Sequence[Mapping[str, Any]]) -> tuple[StoredEvent, ...]:
    """Return a payment's embedded events."""
    return tuple(to_event(tx_id, document) for document in documents)


def to_event(tx_id: str, document: Mapping[str, Any]) -> StoredEvent:
    """Return one event of a payment."""
    return StoredEvent(
        event=to_fact(tx_id, document),
        outcome=Outcome[document["outcome"].upper()],
        delivery=document.get("delivery", ""),
        delivery_id=document["delivery_id"],
        recorded_at_ms=int(document["recorded_at"]),
    )


def to_fact(tx_id: str, document: Mapping[str, Any]) -> Event:
    """Return an event by itself."""
    return Event(
        tx_id=tx_id,
        event_id=document["event_id"],
        kind=_KIND_OF[document["kind"]],
        object_id=document.get("object_id", ""),
        amount=integer(document.get("amount")),
        currency=document.get("currency", ""),
        exponent=document.get("exponent", 0),
        cumulative=document.get("cumulative", False),
        amount_fixed=document.get("amount_fixed", False),
        sender=document.get("sender_account", ""),
        receiver=document.get("receiver_account", ""),
        time_ms=int(document.get("time", 0)),
        time_signed=document.get("time_signed", False),
        description=document.get("description", ""),
        aliases=tuple(document.get("aliases", ())),
        content=bytes(document["content"]),
        dispute_reason=int(document.get("dispute_reason", 0)),
        correction=_to_correction(document["correction"]) if "correction" in document else None,
    )


def _of_correction(correction: Correction) -> dict[str, Any]:
    return {
        "author": correction.author,
        "note": correction.note,
        "of": correction.of,
        "replaces": list(correction.replaces),
        "rank": correction.rank,
    }


def _to_correction(document: Mapping[str, Any]) -> Correction:
    return Correction(
        author=document["author"],
        note=document["note"],
        of=document["of"],
        replaces=tuple(document["replaces"]),
        rank=int(document["rank"]),
    )


def of_tally(tally: Tally) -> dict[str, Any]:
    """Return the tally of a payment's spilled events as it stands in the payment's document."""
    at_ms, event_id = tally.described_at
    return {
        "count": tally.count,
        "kinds": [name for kind, name in _KINDS.items() if tally.kinds >> kind & 1],
        "objects": [_of_sums(name, object_id, sums) for (name, object_id), sums in tally.objects.items()],
        "capture_stated": tally.capture_stated,
        "fixed": Int64(tally.fixed),
        "largest": Int64(tally.largest),
        "described": [Int64(at_ms), event_id, tally.description],
    }


def _of_sums(name: str, object_id: str, sums: ObjectSums) -> list[Any]:
    """Return an array, not a document, and mostly a short one: there is one for each refund there ever was."""
    summed = [name, object_id, Int64(sums.summed)]
    if sums == ObjectSums(summed=sums.summed, stated=True):
        return summed
    return [*summed, Int64(sums.largest), Int64(sums.taken_back), sums.ended, sums.stated]


def _to_sums(
    summed: int,
    largest: int = 0,
    taken_back: int = 0,
    ended: bool = False,  # noqa: FBT001, FBT002 - as above
    stated: bool = True,  # noqa: FBT001, FBT002 - as above
) -> ObjectSums:
    return ObjectSums(largest=int(largest), summed=int(summed), taken_back=int(taken_back), ended=ended, stated=stated)


def to_tally(document: Mapping[str, Any]) -> Tally:
    """Return the tally that a document holds."""
    at_ms, event_id, description = document["described"]
    return Tally(
        count=int(document["count"]),
        kinds=sum(1 << EventKind[name.upper()] for name in document["kinds"]),
        objects={(name, object_id): _to_sums(*sums) for name, object_id, *sums in document["objects"]},
        capture_stated=document["capture_stated"],
        fixed=int(document["fixed"]),
        largest=int(document["largest"]),
        described_at=(int(at_ms), event_id),
        description=description,
    )


def integer(value: int | None) -> int | None:
    """Return a plain integer of an Int64, None of None."""
    return None if value is None else int(value)
