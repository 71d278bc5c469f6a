"""Where people read: the terminal as wide as it is, and files and pipes wide enough for a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_COLUMNS: Final = 120


def console() -> Console:
    """Return standard output as a console; text is shown as it is, brackets included."""
    from rich.console import Console

    found = Console(markup=False, highlight=False)
    return found if found.is_terminal else Console(markup=False, highlight=False, width=_PIPE_COLUMNS)


def plain(text: str) -> str:
    """Return text from outside without what a terminal would obey: escape sequences, control and direction marks."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
