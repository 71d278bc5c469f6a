"""A model within bounds: one deadline with the retries inside it, tokens, money, and a circuit."""

from __future__ import annotations

import asyncio
import random
from typing import Final, Protocol

from services.insight.answer import Unusable
from services.insight.gate import Gate
from services.insight.model_ports import Generated, GenerativeModel, ModelDown, Prompt
from services.insight.ports import StoreDown
from services.insight.spending import Reservation, tokens_at_most

_ATTEMPTS_MAX: Final = 4
_BACKOFF_S: Final = 0.5
# Less than this is no time for an answer.
_USEFUL_S: Final = 0.5
# A key that is refused, a model that isn't there: a person has to change something.
_FOR_PEOPLE: Final = frozenset({"401", "403", "404"})


class Blocked(Exception):  # noqa: N818 - says what is the matter, as the log will
    """The model refuses this prompt, and would again."""


class SpendObserver(Protocol):
    """Is told what was spent, for metrics."""

    def spent(self, nano_usd: int) -> None:
        """So much was, in billionths of a US dollar."""


class BoundedModel:
    """Calls a model only as often, as long and as dearly as allowed, and takes only whole answers."""

    def __init__(self, model: GenerativeModel, gate: Gate, *, observer: SpendObserver) -> None:
        """Call `model` under `gate`'s budgets, and tell its circuit how it went."""
        self._model = model
        self._gate = gate
        self._observer = observer

    async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
        """Return a whole answer.

        Raises:
            ModelDown: there is none within `timeout_s`, retries included.
            Blocked: the model refuses the prompt.
            Unusable: the answer isn't whole.
        """
        try:
            generated = await self._patiently(prompt, timeout_s)
        except ModelDown as error:
            if error.code != "budget":
                self._gate.circuit.failed(at_once=error.code in _FOR_PEOPLE)
            if error.retry_after_s:
                self._gate.pause(error.retry_after_s)
            raise
        # It answers, whatever it says: content is no ground to stop calling.
        self._gate.circuit.succeeded()
        if generated.blocked:
            raise Blocked(f"the model refused the prompt: {generated.blocked}")
        if generated.finish != "STOP":
            raise Unusable(f"the model stopped early: {generated.finish or 'it wrote nothing'}")
        return generated

    async def _patiently(self, prompt: Prompt, timeout_s: float) -> Generated:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(prompt, max(deadline - loop.time(), 0.0))
            except ModelDown as error:
                wait_s = _BACKOFF_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
                wait_s = max(wait_s, error.retry_after_s or 0.0)
                late = loop.time() + wait_s + _USEFUL_S > deadline
                if not error.retryable or attempt == _ATTEMPTS_MAX or late:
                    raise
                await asyncio.sleep(wait_s)

    async def _once(self, prompt: Prompt, timeout_s: float) -> Generated:
        tokens = tokens_at_most(prompt)
        reservation = await self._reserve(prompt)
        self._gate.tokens.take(tokens)
        generated = None
        try:
            generated = await self._model.generate(prompt, timeout_s=timeout_s)
        except ModelDown as error:
            # An answer that came too late may have been paid for: then both budgets keep what was set aside.
            if error.code != "timeout":
                self._gate.tokens.take(-tokens)
                await self._settle(reservation, None)
            raise
        self._gate.tokens.take(generated.input_tokens + generated.output_tokens - tokens)
        await self._settle(reservation, generated)
        return generated

    async def _reserve(self, prompt: Prompt) -> Reservation:
        try:
            reservation = await self._gate.day.reserve(prompt)
        except StoreDown:
            raise ModelDown("what was spent today can't be read", code="budget", retryable=False) from None
        if reservation is None:
            raise ModelDown("the day's budget is spent", code="budget", retryable=False)
        return reservation

    async def _settle(self, reservation: Reservation, generated: Generated | None) -> None:
        try:
            self._observer.spent(await self._gate.day.settle(reservation, generated))
        except StoreDown:
            # The reservation stands: rather too much than too little.
            self._observer.spent(reservation.nano_usd)
