"""What leaves for the model: facts as JSON data under aliases that live for one request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.insight.cleaning import masked, visible
from services.insight.explanation import Subject, decimal
from services.insight.model import Level

DESCRIPTION_MAX: Final = 200
_REASONS_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One request's data.

    Attributes:
        payload: JSON.
        subjects: the payments by the ids that stand for them in this request alone.
        accounts: the accounts by their aliases in this request alone.
    """

    payload: str
    subjects: Mapping[str, Subject]
    accounts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Payments that one request is about, with their descriptions or without."""

    subjects: tuple[Subject, ...]
    described: bool


def grouped(subjects: Sequence[Subject], *, backlog: bool) -> Sequence[Group]:
    """Return which payments share a request: none shares one with free text that somebody else wrote.

    A payment with a description has a request of its own. In a backlog that would be too slow: there only a
    risky one has, and the descriptions of the others stay here.
    """

    def alone(subject: Subject) -> bool:
        return bool(subject.description) and (not backlog or subject.level >= Level.HIGH)

    shared = tuple(subject for subject in subjects if not alone(subject))
    own = [Group(subjects=(subject,), described=True) for subject in subjects if alone(subject)]
    return [Group(subjects=shared, described=False), *own] if shared else own


def disclose(group: Group) -> Disclosure:
    """Return what a request about these payments says."""
    aliases: dict[str, str] = {}
    subjects = {f"p{number}": subject for number, subject in enumerate(group.subjects, 1)}
    for subject in group.subjects:
        for account in (subject.sender, subject.receiver):
            if account:
                aliases.setdefault(account, f"account-{len(aliases) + 1}")
    payments = [_facts(name, each, aliases, described=group.described) for name, each in subjects.items()]
    return Disclosure(
        payload=json.dumps({"payments": payments}, ensure_ascii=True, separators=(",", ":")),
        subjects=subjects,
        accounts={alias: account for account, alias in aliases.items()},
    )


def _facts(name: str, subject: Subject, aliases: Mapping[str, str], *, described: bool) -> Mapping[str, Any]:
    at = datetime.fromtimestamp(subject.recorded_at_ms / 1000, UTC)
    facts: dict[str, Any] = {
        "id": name,
        "amount": None if subject.minor_units is None else decimal(subject.minor_units, subject.exponent),
        "currency": subject.currency,
        "status": subject.status,
        "events": list(subject.events[:20]),
        "flags": list(subject.flags),
        "hour_utc": at.strftime("%a %H:00"),
        "sender": aliases.get(subject.sender, "unknown"),
        "receiver": aliases.get(subject.receiver, "unknown"),
        "risk": _risk(subject),
    }
    if described:
        facts["description"] = masked(visible(subject.description, DESCRIPTION_MAX), aliases)
    return facts


def _risk(subject: Subject) -> Mapping[str, Any] | None:
    risk = subject.risk
    if risk is None:
        return None
    return {
        "score": risk.score,
        "level": risk.level.name.lower(),
        # Codes and figures of ours: a sentence of a later detector might hold a name.
        "reasons": [
            {"code": reason.code, "evidence": {key: value for key, value in reason.evidence.items() if _figure(value)}}
            for reason in risk.reasons[:_REASONS_MAX]
        ],
    }


def _figure(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
