"""The one exception that the command line shows as a sentence instead of a traceback."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - an expected end of a command, not a bug
    """A command can't go on: one sentence with what happened, why, and what to do."""
