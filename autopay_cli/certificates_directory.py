"""The layout of a directory that `autopay certs` fills, and the variables that point into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

AUTHORITY: Final = "ca"


def certificate_of(directory: Path, name: str) -> Path:
    """Return the path of a process's certificate, or the authority's."""
    return directory / f"{name}.pem"


def key_of(directory: Path, name: str) -> Path:
    """Return the path of a certificate's private key."""
    return directory / f"{name}.key"


def environment_of(directory: Path, name: str) -> Mapping[str, str]:
    """Return the variables by which a process finds its certificate, with absolute paths."""
    home = directory.absolute()
    prefix = name.upper()
    return {
        f"{prefix}_TLS_CERT": str(certificate_of(home, name)),
        f"{prefix}_TLS_KEY": str(key_of(home, name)),
        f"{prefix}_TLS_CA": str(certificate_of(home, AUTHORITY)),
    }
