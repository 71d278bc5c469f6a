"""A prompt, answers to it, and a model that does as a script says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from services.insight.model_ports import Generated, ModelDown, Prompt
from tests.fakes.gemini import MODEL_VERSION, item

Act = Callable[[Prompt], Generated]


def prompt() -> Prompt:
    """A small request."""
    return Prompt(instruction="Do.", data="{}", schema={}, output_tokens_max=200)


def answer(text: str = "{}", *, finish: str = "STOP", blocked: str = "") -> Generated:
    """An answer."""
    return Generated(
        text=text, finish=finish, blocked=blocked, model_version=MODEL_VERSION, input_tokens=100, output_tokens=40
    )


def good(asked: Prompt) -> Generated:
    """Answer every payment well."""
    return answer(json.dumps({"payments": [item(each["id"]) for each in json.loads(asked.data)["payments"]]}))


def down(code: str, *, retryable: bool = False, retry_after_s: float | None = None) -> Act:
    """Be down."""

    def act(asked: Prompt) -> Generated:
        raise ModelDown(f"down with {code}", code=code, retryable=retryable, retry_after_s=retry_after_s)

    return act


class ScriptedModel:
    """Does one act per call, the last for ever."""

    def __init__(self, *acts: Act) -> None:
        """Do these."""
        self.acts = list(acts)
        self.asked: list[Prompt] = []
        self.times: list[float] = []

    async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
        """Do the next act."""
        self.asked.append(prompt)
        self.times.append(asyncio.get_running_loop().time())
        return (self.acts.pop(0) if len(self.acts) > 1 else self.acts[0])(prompt)
