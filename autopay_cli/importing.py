"""Importing rows into a ledger: many on their way at once, answered in order, each failure with its line."""

from __future__ import annotations

import collections
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from autopay_cli.event_rows import WrongRow, item_of
from autopay_cli.row_reading import Line

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2

_ERRORS_KEPT_MAX: Final = 1_000


class Recording(Protocol):
    """Records items and answers in their order; AsyncLedgerClient's record_stream and record_many do."""

    def __call__(self, items: Iterable[ledger_pb2.RecordItem]) -> AsyncIterator[ledger_pb2.RecordResult]:
        """Yield a result for each item."""


@dataclass(slots=True)
class Tally:
    """What became of the rows of one run.

    Attributes:
        line: every row that ends on or before this line is done with.
        outcomes: how many rows were created, updated, stale, duplicate.
        failed: how many rows failed.
        errors: line and sentence of the first thousand of them.
    """

    line: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return sum(self.outcomes.values()) + self.failed

    def fail(self, line: int, sentence: str) -> None:
        """One more failed."""
        self.failed += 1
        if len(self.errors) < _ERRORS_KEPT_MAX:
            self.errors.append((line, sentence))


class Importing:
    """One run over a file."""

    def __init__(self, lines: Iterable[Line], *, source: str, after: int, failing: Callable[[int, str], None]) -> None:
        """Import the rows behind line `after`; `failing` hears of each failed one, at most once.

        `source` is that of rows that name none.
        """
        self._lines = lines
        self._source = source
        self._after = after
        self._failing = failing
        # Rows read and not yet done with, in order: the number of the line, and the sentence of a wrong one.
        self._open: collections.deque[tuple[int, str]] = collections.deque()
        self.tally = Tally(line=after)

    async def into(self, recording: Recording) -> AsyncIterator[Tally]:
        """Record every row; yield the tally after each.

        Raises:
            LedgerError: the ledger stopped answering; the tally holds what is done.
        """
        async for result in recording(self._items()):
            self._settle_wrong()
            line, _ = self._open.popleft()
            self._take(line, result)
            yield self.tally
        self._settle_wrong()

    def check(self) -> Tally:
        """Read every row and send none."""
        for _ in self._items():
            self._settle_wrong()
            line, _ = self._open.popleft()
            self.tally.line = line
            self.tally.outcomes["valid"] += 1
        self._settle_wrong()
        return self.tally

    def _items(self) -> Iterator[ledger_pb2.RecordItem]:
        for line in self._lines:
            if line.number <= self._after:
                continue
            try:
                if line.wrong:
                    raise WrongRow(line.wrong)  # noqa: TRY301 - the same end as a row that can't be an event
                item = item_of(line.row, source=self._source)
            except WrongRow as error:
                self._open.append((line.number, str(error)))
                continue
            self._open.append((line.number, ""))
            yield item

    def _settle_wrong(self) -> None:
        """Be done with the wrong rows that stand before the next good one."""
        while self._open and self._open[0][1]:
            self._fail(*self._open.popleft())

    def _take(self, line: int, result: ledger_pb2.RecordResult) -> None:
        from autopay_client.words import OUTCOME

        if result.HasField("error"):
            self._fail(line, result.error.message)
            return
        (outcome,) = result.events
        word = OUTCOME.word(outcome.outcome)
        if word == "conflict":
            what = (
                "its event id is known with other facts"
                if outcome.conflict_field == "event_id"
                else (f"{outcome.conflict_field} differs")
            )
            self._fail(line, f"contradicts what is recorded of {outcome.tx_id}: {what}")
            return
        self.tally.line = line
        self.tally.outcomes[word] += 1

    def _fail(self, line: int, sentence: str) -> None:
        self.tally.line = line
        self.tally.fail(line, sentence)
        self._failing(line, sentence)
