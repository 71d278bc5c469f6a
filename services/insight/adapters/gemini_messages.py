"""Gemini's requests and answers, as google-generativeai speaks of them; the transport is elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from services.insight.model_ports import Generated, ModelDown, Prompt

_RETRYABLE: Final = frozenset({429, 500, 503})
_TIMEOUT: Final = 504
_UNAVAILABLE: Final = 503
_FINISH_STOP: Final = 1
# What is counted and shown; other numbers are shown as numbers.
_FINISH: Final = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    5: "OTHER",
    6: "LANGUAGE",
    7: "BLOCKLIST",
    8: "PROHIBITED_CONTENT",
    9: "SPII",
    10: "MALFORMED_FUNCTION_CALL",
}
_BLOCKED: Final = {1: "SAFETY", 2: "OTHER", 3: "BLOCKLIST", 4: "PROHIBITED_CONTENT", 5: "IMAGE_SAFETY"}


def generation_config(prompt: Prompt) -> Mapping[str, Any]:
    """Return how the answer is asked for: JSON of the prompt's schema, as dictionaries, since classes lose fields."""
    return {
        "candidate_count": 1,
        "max_output_tokens": prompt.output_tokens_max,
        "temperature": 0.1,
        "response_mime_type": "application/json",
        # The package renames fields inside what it gets.
        "response_schema": copy.deepcopy(dict(prompt.schema)),
    }


def read(answer: Mapping[str, Any]) -> Generated:
    """Return an answer, given as a dictionary with enums as numbers.

    A refused prompt has no candidate and raises nothing; an answer cut off by its limit looks whole.
    """
    feedback = answer.get("prompt_feedback") or {}
    reason = int(feedback.get("block_reason") or 0)
    candidates = answer.get("candidates") or []
    usage = answer.get("usage_metadata") or {}
    text, finish = "", ""
    input_tokens = int(usage.get("prompt_token_count") or 0)
    # What a model thinks is paid for as well, and counted in the total alone.
    beyond = int(usage.get("total_token_count") or 0) - input_tokens
    if candidates:
        number = int(candidates[0].get("finish_reason") or 0)
        finish = _FINISH.get(number, f"finish reason {number}")
        parts = (candidates[0].get("content") or {}).get("parts") or []
        text = "".join(str(part.get("text") or "") for part in parts)
    return Generated(
        text=text,
        finish=finish,
        blocked=_BLOCKED.get(reason, f"block reason {reason}") if reason else "",
        model_version=str(answer.get("model_version") or ""),
        input_tokens=input_tokens,
        output_tokens=max(int(usage.get("candidates_token_count") or 0), beyond),
    )


def failure_of(error: Exception) -> ModelDown:
    """Return what an exception of the package or its transport means."""
    status = getattr(error, "code", None)
    code = status if isinstance(status, int) else 0
    if code == _TIMEOUT:
        return ModelDown("the model did not answer in time", code="timeout", retryable=False)
    if not code:
        return ModelDown(f"the call failed: {type(error).__name__}", code=type(error).__name__, retryable=False)
    return ModelDown(
        "the model can't be reached" if code == _UNAVAILABLE else f"the model answered {code}",
        code=str(code),
        retryable=code in _RETRYABLE,
        retry_after_s=_asked_to_wait_s(error),
    )


def _asked_to_wait_s(error: Exception) -> float | None:
    """Return the delay of a google.rpc.RetryInfo among an error's details: a message over gRPC, a dict over REST."""
    for detail in getattr(error, "details", None) or ():
        if isinstance(detail, Mapping):
            text = str(detail.get("retryDelay", "")).removesuffix("s")
            try:
                return max(float(text), 0.0)
            except ValueError:
                continue
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return max(float(delay.seconds) + float(delay.nanos) / 1e9, 0.0)
    return None
