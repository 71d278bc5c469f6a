"""A labelled history from a file: CSV, or the arrays of an .npz archive, without numpy."""

from __future__ import annotations

import ast
import csv
import sys
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from autopay_cli.failure import Failure

# Array types that a history may have, by numpy's names.
_CODES: Final = {"|i1": "b", "|u1": "B", "|b1": "B", "<i2": "h", "<i4": "i", "<i8": "q", "<f4": "f", "<f8": "d"}
_ARRAYS: Final = {"time": "t", "sender": "cust", "receiver": "term", "amount": "amt", "label": "fraud"}
_TRUE: Final = frozenset({"1", "1.0", "true", "fraud", "yes"})
_FALSE: Final = frozenset({"0", "0.0", "false", "legitimate", "no"})
_CENTS: Final = 2
_SECONDS_MAX: Final = 253_402_300_799


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Payments in the order of the file, a column each.

    Attributes:
        at_ms: when, milliseconds since the file's epoch.
        sender: who paid.
        receiver: who was paid.
        minor_units: how much, in hundredths.
        fraud: the label; None where there is none.
        kind: what the generator injected, or "".
    """

    at_ms: Sequence[int]
    sender: Sequence[str]
    receiver: Sequence[str]
    minor_units: Sequence[int]
    fraud: Sequence[bool | None]
    kind: Sequence[str]

    def __len__(self) -> int:
        return len(self.at_ms)


def read(path: Path, names: Mapping[str, str]) -> History:
    """Read a history; `names` says which column holds time, sender, receiver, amount and label.

    Raises:
        Failure: the file can't be read, a column is missing, or a value is none.
    """
    try:
        return _read_npz(path, names) if path.suffix.lower() == ".npz" else _read_csv(path, names)
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise Failure(f"{path}: can't be read: {error}.") from None


def _read_csv(path: Path, names: Mapping[str, str]) -> History:
    at_ms, minor_units = array("q"), array("q")
    sender: list[str] = []
    receiver: list[str] = []
    fraud: list[bool | None] = []
    kind: list[str] = []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        missing = [names.get(what, what) for what in _ARRAYS if names.get(what, what) not in (rows.fieldnames or ())]
        if missing:
            raise Failure(f"{path}: no column {', '.join(missing)}; name columns with --column time=…")
        time_name, sender_name, receiver_name, amount_name, label_name = (names.get(what, what) for what in _ARRAYS)
        for number, row in enumerate(rows, start=2):
            try:
                at_ms.append(_milliseconds(row[time_name]))
                minor_units.append(int((Decimal(row[amount_name]).scaleb(_CENTS)).to_integral_value()))
                fraud.append(_label(row[label_name]))
            except (InvalidOperation, ValueError, OverflowError, TypeError, AttributeError) as error:
                raise Failure(f"{path}: line {number} holds a value that can't be read ({error}).") from None
            sender.append(sys.intern(row[sender_name]))
            receiver.append(sys.intern(row[receiver_name]))
            kind.append(sys.intern(row.get("kind") or ""))
    return History(at_ms=at_ms, sender=sender, receiver=receiver, minor_units=minor_units, fraud=fraud, kind=kind)


def _milliseconds(word: str) -> int:
    try:
        seconds = float(word)
    except ValueError:
        moment = datetime.fromisoformat(word)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds <= _SECONDS_MAX:
        message = "a time is seconds since 1970 or a date"
        raise ValueError(message)
    return round(seconds * 1000)


def _label(word: str) -> bool | None:
    word = word.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    if word:
        message = "a label is 1, 0 or empty"
        raise ValueError(message)
    return None


def _read_npz(path: Path, names: Mapping[str, str]) -> History:
    with zipfile.ZipFile(path) as archive:
        columns = {what: _array(archive, path, names.get(what, usual)) for what, usual in _ARRAYS.items()}
    if len({len(column) for column in columns.values()}) != 1:
        raise Failure(f"{path}: the arrays are of different lengths.")
    return History(
        at_ms=array("q", (round(at * 1000) for at in columns["time"])),
        sender=[sys.intern(str(each)) for each in columns["sender"]],
        receiver=[sys.intern(str(each)) for each in columns["receiver"]],
        minor_units=array("q", (round(amount * 100) for amount in columns["amount"])),
        fraud=[bool(each) for each in columns["label"]],
        kind=[""] * len(columns["time"]),
    )


def _array(archive: zipfile.ZipFile, path: Path, name: str) -> array[float]:
    """Read one array (format 1.0 of numpy.lib.format: magic, header as a Python literal, the values)."""
    try:
        data = archive.read(f"{name}.npy")
    except KeyError:
        raise Failure(f"{path}: no array {name}; name arrays with --column time=…") from None
    length = int.from_bytes(data[8:10], "little")
    try:
        header = ast.literal_eval(data[10 : 10 + length].decode("latin-1"))
        values: array[float] = array(_CODES[header["descr"]])
        values.frombytes(data[10 + length :])
        plain = data[:7] == b"\x93NUMPY\x01" and header["shape"] == (len(values),)
    except (KeyError, SyntaxError, ValueError, TypeError):
        plain = False
    if not plain:
        raise Failure(f"{path}: the array {name} is not one row of plain numbers.")
    return values
