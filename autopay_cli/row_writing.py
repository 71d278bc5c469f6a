"""Rows written as JSON lines, CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from autopay_cli.event_rows import COLUMNS, Row
from autopay_cli.failure import Failure

_PARQUET_ROWS: Final = 10_000
_STRUCTURED: Final = frozenset({"aliases", "risk"})
_BOOLEAN: Final = frozenset({"event_time_signed", "amount_fixed"})


class Written(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class RowWriter(Protocol):
    """Takes rows."""

    def write(self, row: Row) -> None:
        """Write one."""

    def finish(self) -> None:
        """Write what is left."""


class JsonLines:
    """One JSON object a line."""

    def __init__(self, file: TextIO) -> None:
        """Write to a file."""
        self._file = file

    def write(self, row: Row) -> None:
        """Write one."""
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def finish(self) -> None:
        """Nothing is left."""


class Csv:
    """CSV of RFC 4180, every column in every row."""

    def __init__(self, file: TextIO) -> None:
        """Write to a file opened with newline=""."""
        # The writer quotes the characters of its line end, so a lone CR in a text survives only with this one.
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def write(self, row: Row) -> None:
        """Write one."""
        self._writer.writerow([_cell(name, row.get(name)) for name in COLUMNS])

    def finish(self) -> None:
        """Nothing is left."""


class Parquet:
    """Parquet with text columns and two booleans; money is text, which no reader rounds."""

    def __init__(self, path: Path) -> None:
        """Write to a file.

        Raises:
            Failure: pyarrow is not installed.
        """
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ModuleNotFoundError as error:
            raise Failure("Parquet needs the package 'pyarrow': pip install 'autopay-mesh[parquet]'.") from error
        self._arrow = pa
        self._schema = pa.schema([pa.field(name, pa.bool_() if name in _BOOLEAN else pa.string()) for name in COLUMNS])
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Row) -> None:
        """Write one, with others of its group."""
        self._rows.append(
            {name: row.get(name, False) if name in _BOOLEAN else _cell(name, row.get(name)) for name in COLUMNS}
        )
        if len(self._rows) == _PARQUET_ROWS:
            self._flush()

    def finish(self) -> None:
        """Write the last group, and what makes the file whole."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()


@contextmanager
def writing(form: Written, output: Path, standard: TextIO) -> Iterator[RowWriter]:
    """Yield a writer to a file, which appears when all is written, or to standard output for `-`.

    Raises:
        Failure: the file can't be written, or the format not there.
    """
    if str(output) == "-":
        if form is Written.PARQUET:
            raise Failure("Parquet is written to a file: name one with --output.")
        writer: RowWriter = Csv(standard) if form is Written.CSV else JsonLines(standard)
        yield writer
        writer.finish()
        return
    part = output.with_name(f".{output.name}.part")
    try:
        if form is Written.PARQUET:
            writer = Parquet(part)
            yield writer
            writer.finish()
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                writer = Csv(file) if form is Written.CSV else JsonLines(file)
                yield writer
                writer.finish()
        part.replace(output)
    except OSError as error:
        raise Failure(f"can't write {output}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


def _cell(name: str, value: Any) -> str:
    if name in _STRUCTURED:
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value or ""
