"""Entries of the change stream as changes of payments.

An update's entry holds what that update set; the rest comes from looking the payment up, which may show it
some versions later. The status after that very update, and how many events it added, each update says itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.ledger.adapters.event_documents import to_fact
from services.ledger.model import Outcome, Status
from services.ledger.read_ports import Facts, PaymentChange, risk_level_of

KEPT: Final = (
    "source",
    "tx_id",
    "version",
    "status",
    "currency",
    "amount",
    "sender_account",
    "receiver_account",
    "recorded_at",
)

_STATUSES: Final = {status.name.lower(): status for status in Status}
_OUTCOMES: Final = {outcome.name.lower(): outcome for outcome in Outcome}

# What does not raise `version` (the analysis queue's own counters, schema changes) is nobody's business here.
PIPELINE: Final[Sequence[Mapping[str, Any]]] = (
    {
        "$match": {
            "$or": [
                {"operationType": "insert"},
                {"operationType": "update", "updateDescription.updatedFields.version": {"$exists": True}},
            ]
        }
    },
    {
        "$project": {
            "set": "$updateDescription.updatedFields",
            "now": {
                **{name: f"$fullDocument.{name}" for name in KEPT},
                "risk_level": "$fullDocument.risk.level",
                # All events travel only where they are needed: of an insert.
                "events": {"$cond": [{"$eq": ["$operationType", "insert"]}, "$fullDocument.events", "$$REMOVE"]},
            },
        }
    },
)


def to_change(entry: Mapping[str, Any]) -> PaymentChange | None:
    """Return the change an entry tells of, None where the payment has been removed since."""
    now: Mapping[str, Any] = entry["now"]
    if "tx_id" not in now:
        return None
    changed: Mapping[str, Any] | None = entry.get("set")
    if changed is None:
        added = now["events"]
        return _change(entry, now, added, status=_STATUSES[now["status"]], at=now["recorded_at"])
    # A replica of an older version did not say it.
    change = changed.get("change") or {"status": changed.get("status", now["status"]), "added": 0}
    added = _added(changed, change["added"])
    status = _STATUSES[change["status"]]
    return _change(entry, {**now, **changed}, added, status=status, at=changed.get("updated_at", now["recorded_at"]))


def _change(
    entry: Mapping[str, Any],
    fields: Mapping[str, Any],
    added: Sequence[Mapping[str, Any]],
    *,
    status: Status,
    at: Any,
) -> PaymentChange:
    get = fields.get
    amount = get("amount")
    return PaymentChange(
        position=entry["_id"]["_data"],
        source=fields["source"],
        tx_id=fields["tx_id"],
        version=int(fields["version"]),
        facts=Facts(
            source=fields["source"],
            status=status,
            currency=get("currency", ""),
            amount=None if amount is None else int(amount),
            risk_level=risk_level_of(_level(fields)),
        ),
        events=tuple([to_fact(fields["tx_id"], document) for document in added]),
        outcome=_OUTCOMES[added[0]["outcome"]] if added else None,
        recorded_at_ms=int(at),
        sender=get("sender_account", ""),
        receiver=get("receiver_account", ""),
    )


def _level(fields: Mapping[str, Any]) -> object:
    """Return the level an update set, whole or by its path, else the payment's."""
    risk = fields.get("risk")
    if risk is not None:
        return risk.get("level")
    return fields.get("risk.level", fields.get("risk_level"))


def _added(changed: Mapping[str, Any], count: int) -> Sequence[Mapping[str, Any]]:
    """Return the events an update appended: each by its position, or, where older ones moved out, the last of all."""
    if "events" in changed:
        events: Sequence[Mapping[str, Any]] = changed["events"]
        return events[len(events) - count :]
    positions = sorted(int(name[7:]) for name in changed if name.startswith("events.") and name[7:].isdecimal())
    return [changed[f"events.{position}"] for position in positions]
