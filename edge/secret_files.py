"""Secrets from a directory, SOURCE/KEY-ID: files that somebody keeps there, or a Secret that Kubernetes mounts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from mesh import masking
from providers.contract import Secret

_BYTES_MAX: Final = 8_192
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}", re.ASCII).fullmatch
# Kubernetes writes a whole new directory, and then turns this one link.
_SNAPSHOT: Final = "..data"

Stamp = tuple[tuple[str, int, int, int], ...]


def read(directory: Path) -> Mapping[str, Sequence[Secret]]:
    """Return every secret by source, the key ids in their order; nothing where the directory is gone.

    Raises:
        ValueError: one can't be read or can't be a secret; the text names its file and shows nothing of it.
    """
    found: dict[str, list[Secret]] = {}
    try:
        for source, key in _files(directory):
            content = _content(key)
            masking.conceal([content])
            found.setdefault(source, []).append(Secret(key.name, content))
    except OSError as error:
        raise ValueError(f"{error.filename}: {error.strerror}") from None
    return found


def stamp(directory: Path) -> Stamp | None:
    """Return what differs when a file has changed, come or gone; None where that can't be told."""
    try:
        return tuple(_stamps(directory))
    except (OSError, ValueError):
        return None


def _stamps(directory: Path) -> Iterator[tuple[str, int, int, int]]:
    for _, key in _files(directory):
        state = key.stat()
        yield str(key), state.st_ino, state.st_size, state.st_mtime_ns


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield each source's name with each of its files."""
    try:
        snapshot = _snapshot(directory)
    except FileNotFoundError:
        return
    for source in _visible(snapshot):
        if not source.is_dir():
            raise ValueError(f"{source} is no directory; secrets are SOURCE/KEY-ID")
        for key in _visible(_snapshot(source)):
            if _KEY_ID(key.name) is None:
                raise ValueError(f"{key} is named like no key id: 1 to 63 of A-Z, a-z, 0-9, _, . and -")
            yield source.name, key


def _snapshot(directory: Path) -> Path:
    """Return the directory's content as of one moment: the link is followed once, however it turns afterwards."""
    if not directory.is_dir():
        raise FileNotFoundError(2, "there is no such directory", str(directory))
    link = directory / _SNAPSHOT
    return (directory / os.readlink(link)) if link.is_symlink() else directory  # noqa: PTH115 - relative to it


def _visible(directory: Path) -> Sequence[Path]:
    return sorted(each for each in directory.iterdir() if not each.name.startswith("."))


def _content(key: Path) -> str:
    with key.open("rb") as file:
        content = file.read(_BYTES_MAX + 1)
    if len(content) > _BYTES_MAX:
        raise ValueError(f"{key} is larger than {_BYTES_MAX:,} bytes")
    try:
        value = content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{key} is not UTF-8 text") from None
    if not value:
        # Half written, perhaps. An empty secret would let anybody sign.
        raise ValueError(f"{key} is empty")
    return value
