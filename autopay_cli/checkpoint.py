"""How far an import got: a small file beside the imported one, so that the next run goes on there."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from autopay_cli.failure import Failure
from autopay_cli.meshfile import replace_private

_EVERY_S: Final = 1.0


class Progressing(Protocol):
    """What an import has done so far."""

    @property
    def line(self) -> int:
        """Every row that ends on or before this line is done with."""

    @property
    def failed(self) -> int:
        """How many of them failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far an import of one file into one ledger got.

    Attributes:
        file: the file's size in bytes and time of change in ns: a file that changed is another one.
        ledger: the address it goes to.
        line: every row that ends on or before this line is done with.
        failed: how many of those failed.
    """

    file: tuple[int, int]
    ledger: str
    line: int = 0
    failed: int = 0

    def continued(self, path: Path) -> Self:
        """Return the one kept at `path` where it is of the same file and ledger, else this one.

        Raises:
            Failure: the file is none of ours.
        """
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            found = type(self)(**{**kept, "file": tuple(kept["file"])})
        except FileNotFoundError:
            return self
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise Failure(f"{path} is no checkpoint of an import: delete it, or add --restart.") from error
        return found if (found.file, found.ledger) == (self.file, self.ledger) else self


class Keeper:
    """Keeps the place of one run."""

    def __init__(self, path: Path | None, begun: Checkpoint | None) -> None:
        """Begin at a checkpoint and keep later ones at `path`; None keeps none."""
        self._path = path
        self._begun = begun
        self._kept_at = time.monotonic()

    @classmethod
    def of(cls, file: Path, ledger: str, *, path: Path | None = None, restart: bool = False) -> Self:
        """Return the keeper of an import, at `path` or beside the file.

        What can't be read twice, or goes nowhere, keeps no place.

        Raises:
            Failure: the file can't be read, or its checkpoint is none of ours.
        """
        if str(file) == "-" or not ledger:
            return cls(None, None)
        try:
            stat = file.stat()
        except OSError as error:
            raise Failure(f"can't read {file}: {error.strerror}.") from error
        path = path or file.with_name(f"{file.name}.checkpoint")
        fresh = Checkpoint(file=(stat.st_size, stat.st_mtime_ns), ledger=ledger)
        return cls(path, fresh if restart else fresh.continued(path))

    @property
    def line(self) -> int:
        """The line behind which the run begins."""
        return self._begun.line if self._begun else 0

    @property
    def failed(self) -> int:
        """How many rows had failed before."""
        return self._begun.failed if self._begun else 0

    def note(self, done: Progressing) -> None:
        """Write the place down, once a second."""
        now = time.monotonic()
        if now - self._kept_at >= _EVERY_S:
            self._keep(done)
            self._kept_at = now

    @contextmanager
    def keeping(self, done: Progressing) -> Iterator[None]:
        """Keep the place of what stops before its end, and forget it at the end."""
        try:
            yield
        except BaseException as error:
            self._keep(done)
            if isinstance(error, Failure) and self._path is not None:
                raise Failure(f"{error} Stopped after line {done.line}; the same command goes on there.") from error
            raise
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _keep(self, done: Progressing) -> None:
        if self._path is None or self._begun is None:
            return
        place = dataclasses.replace(self._begun, line=done.line, failed=self._begun.failed + done.failed)
        try:
            replace_private(self._path, json.dumps(dataclasses.asdict(place)) + "\n")
        except OSError as error:
            raise Failure(
                f"can't write the checkpoint {self._path} ({error.strerror}): name another place with --checkpoint."
            ) from error
