"""Directories of secrets, as people write them and as Kubernetes mounts them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write(directory: Path, secrets: Mapping[str, str]) -> Path:
    """Write files by `source/key-id`."""
    for path, value in secrets.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    return directory


def mount(directory: Path, snapshot: str, secrets: Mapping[str, str]) -> Path:
    """Write a snapshot and turn the link to it, as Kubernetes does."""
    write(directory / snapshot, secrets)
    link = directory / "..new"
    link.symlink_to(snapshot)
    link.rename(directory / "..data")
    for path in secrets:
        top = path.partition("/")[0]
        if not (directory / top).exists():
            (directory / top).symlink_to(f"..data/{top}")
    return directory
