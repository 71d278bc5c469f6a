"""Rows of a file of JSON lines or CSV, each with the number of its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

from autopay_cli.event_rows import COLUMNS, WrongRow
from autopay_cli.failure import Failure

_LINE_BYTES_MAX: Final = 1024 * 1024


class Format(StrEnum):
    """How a file holds rows."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row; `wrong` says why it has none.

    Attributes:
        number: the line it ends on, from 1.
        row: its columns.
        wrong: what is wrong with it.
    """

    number: int
    row: Mapping[str, Any]
    wrong: str = ""


class Bytes:
    """The lines of a file, counted, none longer than a MiB."""

    def __init__(self, file: BinaryIO) -> None:
        """Read from a binary file."""
        self._file = file
        self.read = 0
        self._number = 0

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(_LINE_BYTES_MAX + 1):
            self._number += 1
            if len(line) > _LINE_BYTES_MAX:
                raise Failure(f"line {self._number} is longer than a MiB: this is no file of payments.")
            self.read += len(line)
            yield line


def format_of(path: Path, chosen: Format | None) -> Format:
    """Return the format chosen, else the one that the file's name ends with; JSON lines for standard input.

    Raises:
        Failure: the name tells nothing.
    """
    if chosen is not None:
        return chosen
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return Format.CSV
    if suffix in {".jsonl", ".ndjson", ".json"} or str(path) == "-":
        return Format.JSONL
    raise Failure(f"{path}: is it jsonl or csv? Say so with --format.")


def lines_of(content: Bytes, form: Format) -> Iterator[Line]:
    """Yield every row.

    Raises:
        Failure: the file as a whole can't be read.
    """
    return _csv(content) if form is Format.CSV else _jsonl(content)


def _jsonl(content: Bytes) -> Iterator[Line]:
    for number, line in enumerate(content, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not text.strip():
            continue
        try:
            yield Line(number=number, row=_object(text.decode()))
        except (ValueError, RecursionError, WrongRow) as error:
            wrong = str(error) if isinstance(error, WrongRow) else "is no JSON"
            yield Line(number=number, row={}, wrong=wrong)


def _object(text: str) -> Mapping[str, Any]:
    # Amounts keep every digit; a key that stands twice says two things.
    row = json.loads(text, parse_float=Decimal, object_pairs_hook=_unique)
    if not isinstance(row, dict):
        raise WrongRow("is no JSON object")
    return row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise WrongRow("holds a key twice")
    return found


def _csv(content: Bytes) -> Iterator[Line]:
    # What is not UTF-8 becomes surrogates, which the row's own check refuses, line by line.
    texts = (line.decode(errors="surrogateescape") for line in content)
    reader = csv.reader(_without_mark(texts), strict=True)
    header = _header(reader)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Where quoting is broken, nobody knows where the next row begins.
            raise Failure(
                f"line {reader.line_num}: is no CSV ({error}); the rows before it are not affected."
            ) from None
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) == len(header):
            yield Line(number=reader.line_num, row=dict(zip(header, cells, strict=True)))
        else:
            wrong = f"has {len(cells)} columns, the header {len(header)}"
            yield Line(number=reader.line_num, row={}, wrong=wrong)


def _without_mark(texts: Iterator[str]) -> Iterator[str]:
    for first in texts:
        yield first.removeprefix("\ufeff")
        break
    yield from texts


def _header(reader: Any) -> list[str]:
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise Failure(f"line 1: is no CSV ({error}).") from None
    unknown = [name for name in header if name not in COLUMNS]
    if not header or unknown or len(set(header)) < len(header):
        raise Failure(
            f"line 1: the header must name columns among {', '.join(COLUMNS)}, each once"
            + (f"; {unknown[0]!r} is none." if unknown else ".")
        )
    return header
