"""A model's answer, believed in nothing: its shape, words, lengths, ranges and ids are checked here."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.insight.explanation import ACTIONS, CATEGORIES, TEXT_MAX

_ANSWER_MAX: Final = 65_536

# The subset of JSON schema that Gemini takes. It guides the model; what counts is checked below.
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "payments": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "description": "The id of the payment, as given."},
                    "summary": {"type": "string", "description": "One or two sentences, at most 300 characters."},
                    "category": {"type": "string", "enum": list(CATEGORIES)},
                    "anomaly_assessment": {
                        "type": "string",
                        "description": "What is unusual and why it matters, at most 300 characters.",
                    },
                    "recommended_action": {"type": "string", "enum": list(ACTIONS)},
                    "confidence": {"type": "number", "description": "0 to 1."},
                },
                "required": [
                    "id",
                    "summary",
                    "category",
                    "anomaly_assessment",
                    "recommended_action",
                    "confidence",
                ],
            },
        }
    },
    "required": ["payments"],
}
_KEYS: Final = frozenset(SCHEMA["properties"]["payments"]["items"]["required"])


class Unusable(Exception):  # noqa: N818 - says what is the matter with an answer, as the log will
    """An answer that can't be used as a whole; the text says why, without any of the answer's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a model said of one payment, in its own unprinted words."""

    summary: str
    category: str
    anomaly_assessment: str
    recommended_action: str
    confidence: float


def read(text: str, ids: Collection[str]) -> Mapping[str, Verdict]:
    """Return the verdict on each payment that the answer speaks of, all of them among `ids`.

    Raises:
        Unusable: anything about it is not as asked.
    """
    if len(text) > _ANSWER_MAX:
        raise Unusable(f"the answer is longer than {_ANSWER_MAX} characters")
    try:
        answer = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _RefusedError) else "it is no JSON"
        raise Unusable(f"the answer can't be read: {reason}") from None
    if not isinstance(answer, dict) or set(answer) != {"payments"} or not isinstance(answer["payments"], list):
        raise Unusable("the answer is not an object with the one list asked for")
    verdicts: dict[str, Verdict] = {}
    for item in answer["payments"]:
        name, verdict = _verdict(item)
        if name not in ids:
            raise Unusable("the answer speaks of a payment that was not sent")
        if name in verdicts:
            raise Unusable("the answer speaks of one payment twice")
        verdicts[name] = verdict
    return verdicts


def _verdict(item: object) -> tuple[str, Verdict]:
    if not isinstance(item, dict) or set(item) != _KEYS:
        raise Unusable("a payment's answer has other fields than asked for")
    confidence = item["confidence"]
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise Unusable("confidence is not a number from 0 to 1")
    return _text(item, "id"), Verdict(
        summary=_text(item, "summary"),
        category=_word(item, "category", CATEGORIES),
        anomaly_assessment=_text(item, "anomaly_assessment"),
        recommended_action=_word(item, "recommended_action", ACTIONS),
        confidence=float(confidence),
    )


def _text(item: Mapping[str, object], field: str) -> str:
    value = item[field]
    if not isinstance(value, str) or not value.strip() or len(value) > TEXT_MAX:
        raise Unusable(f"{field} is not a text of 1 to {TEXT_MAX} characters")
    return value


def _word(item: Mapping[str, object], field: str, words: Collection[str]) -> str:
    value = item[field]
    if not isinstance(value, str) or value not in words:
        raise Unusable(f"{field} is none of the words asked for")
    return value


class _RefusedError(ValueError):
    """JSON that Python would take and we don't."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("a field stands twice")
    return found


def _refuse_constant(name: str) -> float:
    raise _RefusedError(f"{name} is no number" if not math.isfinite(float(name)) else "it is no JSON")
