"""What explaining needs of a language model and of the ledger's queue of analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.insight.disclosing import Group
from services.insight.explanation import Outcome, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One request to a model.

    Attributes:
        instruction: what to do, in our words alone.
        data: JSON; what comes from outside is in here and nowhere else.
        schema: the shape of the answer.
        output_tokens_max: where the answer is cut off.
    """

    instruction: str
    data: str
    schema: Mapping[str, Any]
    output_tokens_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A model's answer.

    Attributes:
        text: what it wrote, empty where nothing.
        finish: why it stopped, "STOP" where the answer is whole; others are names or numbers.
        blocked: why it refused the prompt, empty where it didn't.
        model_version: the model that answered.
        input_tokens: what was read, as the model counts.
        output_tokens: what was written.
    """

    text: str
    finish: str
    blocked: str
    model_version: str
    input_tokens: int
    output_tokens: int


class ModelDown(Exception):  # noqa: N818 - says what is the matter, as the log will
    """No answer: the model, the way to it or our own limits; nothing was wrong with the payments."""

    def __init__(self, reason: str, *, code: str, retryable: bool, retry_after_s: float | None = None) -> None:
        """Say why in a sentence without values from outside.

        Args:
            reason: the sentence.
            code: HTTP's word for it, for example "429", or a short name.
            retryable: whether the same request may succeed within seconds.
            retry_after_s: how long the model asks to wait.
        """
        super().__init__(reason)
        self.code = code
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class GenerativeModel(Protocol):
    """A language model: text in, text out, no tools."""

    async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
        """Return its answer, whatever that is.

        Raises:
            ModelDown: there is none.
        """


class Explainer(Protocol):
    """Explains payments."""

    async def explain(self, group: Group, *, within_s: float) -> Sequence[Outcome]:
        """Return an explanation per payment, or why there is none, in order.

        Raises:
            ModelDown: nothing can be explained now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A payment to explain, under the token of its lease."""

    subject: Subject
    token: str


class AnalysisQueue(Protocol):
    """The ledger's queue."""

    async def lease(self, *, tasks_max: int, lease_s: float, wait_s: float) -> Sequence[Task]:
        """Return payments that nobody else gets for `lease_s`; wait up to `wait_s` for the first.

        Raises:
            Fault: the ledger can't be reached.
        """

    async def complete(self, task: Task, outcome: Outcome) -> bool:
        """Store what came of it; the same again is harmless. False where the lease is lost.

        Raises:
            Fault: whether it is stored is unknown.
        """

    async def oldest_queued_ms(self) -> int:
        """Return when the payment that waits longest was recorded, milliseconds since the Unix epoch; 0 for none.

        Raises:
            Fault: the ledger can't be reached.
        """


class SpendBook(Protocol):
    """What was spent on a day, in billionths of a US dollar, over all replicas."""

    async def spent(self, day: str) -> int:
        """Return what was spent.

        Raises:
            StoreDown: nobody knows.
        """

    async def reserve(self, day: str, nano_usd: int, *, most: int) -> bool:
        """Add an amount unless the day's sum would exceed `most`; return whether it was added.

        Raises:
            StoreDown: whether it was is unknown.
        """

    async def settle(self, day: str, nano_usd: int) -> None:
        """Add the difference, of either sign, between what was reserved and what it cost.

        Raises:
            StoreDown: whether it was added is unknown.
        """
