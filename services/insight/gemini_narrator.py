"""Has a model tell a report in words: figures leave, no account and no payment does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from services.insight.answer import Unusable
from services.insight.bounded_model import Blocked, BoundedModel
from services.insight.cleaning import plain
from services.insight.gate import Gate
from services.insight.model_ports import ModelDown, Prompt
from services.insight.rendering import to_json
from services.insight.report_model import Narrative, Report

_SENTENCES_MAX: Final = 8
_SENTENCE_MAX: Final = 400
_TIMEOUT_S: Final = 4.0
# Who paid whom, and single payments, stay here; so does a year of days.
_AT_HOME: Final = ("senders", "receivers", "anomalies", "slots", "narrative")

INSTRUCTION: Final = (
    "You write for a person who looks after payments. The user message is JSON with the figures of a period and of the "
    "period before. Write up to eight plain English sentences that say what matters: volume, success, what changed, "
    "risk. Use only numbers that stand in the data, in digits, exactly as they stand; compute none and round none. No "
    "markup."
)
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"sentences": {"type": "array", "items": {"type": "string"}}},
    "required": ["sentences"],
}


class GeminiNarrator:
    """The twin of `RulesNarrator` that asks a model. What it says is checked by who asks it."""

    def __init__(self, model: BoundedModel, gate: Gate) -> None:
        """Ask `model`, where `gate` is open."""
        self._model = model
        self._gate = gate

    async def narrate(self, report: Report) -> Narrative | None:
        """Return its sentences, None where it can't be asked or answers badly."""
        if not await self._gate.is_open():
            return None
        figures = {key: value for key, value in json.loads(to_json(report)).items() if key not in _AT_HOME}
        data = json.dumps(figures, separators=(",", ":"))
        prompt = Prompt(instruction=INSTRUCTION, data=data, schema=_SCHEMA, output_tokens_max=800)
        try:
            generated = await self._model.generate(prompt, timeout_s=_TIMEOUT_S)
            sentences = _sentences(generated.text)
        except (ModelDown, Blocked, Unusable):
            return None
        return Narrative(sentences=sentences, author=plain(generated.model_version, 50) or "a model")


def _sentences(text: str) -> tuple[str, ...]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("the answer can't be read") from None
    if not isinstance(answer, dict) or set(answer) != {"sentences"} or not isinstance(answer["sentences"], list):
        raise Unusable("the answer is not an object with the one list asked for")
    if not all(isinstance(each, str) for each in answer["sentences"]):
        raise Unusable("a sentence is no text")
    return tuple(plain(each, _SENTENCE_MAX) for each in answer["sentences"][:_SENTENCES_MAX])
