"""A progress bar on a terminal's standard error, and nothing elsewhere."""

from __future__ import annotations

from typing import Self

from autopay_cli.screen import plain


class Progress:
    """How much of something is done."""

    def __init__(self, what: str, total: int | None, *, shown: bool) -> None:
        """Show `what` is done of how many; None where nobody knows."""
        from rich.console import Console
        from rich.progress import Progress as Bar

        console = Console(stderr=True, markup=False, highlight=False)
        self._bar = Bar(console=console, transient=True, disable=not (shown and console.is_terminal))
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """One more is done."""
        self._bar.advance(self._task)

    def reach(self, done: int) -> None:
        """So many are done."""
        self._bar.update(self._task, completed=done)

    def say(self, sentence: str) -> None:
        """Print a line on standard error, above the bar where there is one."""
        self._bar.console.print(plain(sentence), soft_wrap=True)
