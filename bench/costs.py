"""What a webhook costs and what a batch costs, told apart by rates that filled batches differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent on so many webhooks that were written in so many batches, CPU seconds of all processes."""

    webhooks: int
    batches: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU of all processes: of a webhook, and of a batch whatever is in it, microseconds."""

    webhook_us: float
    batch_us: float


class BatchCount:
    """Counts the batches that a server writes from now on: a command to MongoDB for the deliveries of each."""

    def __init__(self, server: Server) -> None:
        """Begin to count."""
        self._server = server
        self._begun = server.inserts("deliveries")

    def seen(self) -> int:
        """Return how many there were."""
        return self._server.inserts("deliveries") - self._begun


def fitted(spent: Sequence[Spent]) -> Costs | None:
    """Return the costs that explain what was spent best, by least squares; None where all batches were alike.

    CPU = webhooks · a + batches · b, solved by its two normal equations. It is a model: what webhooks cost does not
    quite stay the same from rate to rate, because a fuller machine is a colder one.
    """
    ww = sum(float(each.webhooks) ** 2 for each in spent)
    bb = sum(float(each.batches) ** 2 for each in spent)
    wb = sum(float(each.webhooks) * each.batches for each in spent)
    wc = sum(each.webhooks * each.cpu_s for each in spent)
    bc = sum(each.batches * each.cpu_s for each in spent)
    determinant = ww * bb - wb * wb
    if determinant <= 1e-6 * ww * bb:
        return None
    webhook_s, batch_s = (wc * bb - bc * wb) / determinant, (bc * ww - wc * wb) / determinant
    return Costs(webhook_us=webhook_s * 1e6, batch_us=batch_s * 1e6)
