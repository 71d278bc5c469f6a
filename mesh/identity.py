"""Who a process is: its certificate, key and authorities, read again when their files change."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_log = logging.getLogger(__name__)

_POLL_S: Final = 1.0
# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, section 2
_SPIFFE_ID: Final = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+", re.ASCII)
_SPIFFE_ID_LENGTH_MAX: Final = 2_048

_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the three PEM files lie."""

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the files held when they were last good.

    Attributes:
        certificate: the process's certificate and its chain, PEM.
        key: the certificate's private key, PEM.
        authorities: whom to believe, PEM.
        name: the certificate's SPIFFE id, "" where it has none.
        expires_at: when the certificate ends.
    """

    certificate: bytes
    key: bytes
    authorities: bytes
    name: str
    expires_at: datetime


class Identity:
    """The current material of a process, and who wants to be told when it changes."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files.

        Raises:
            ValueError: they can't be used; the message names the file.
        """
        self._files = files
        self._stamp = _stamp(files)
        self._complained_of: _Stamp | None = None
        self._material = read(files)
        self._followers: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def material(self) -> Material:
        """The last material that could be used."""
        return self._material

    @property
    def name(self) -> str:
        """The process's SPIFFE id, "" where its certificate has none."""
        return self._material.name

    def watch(self) -> None:
        """Look at the files once a second from now on, in the running loop; saying so twice changes nothing."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_POLL_S, self._look_again)

    def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each change; starts the watch."""
        self._followers.append(changed)
        self.watch()

    def unfollow(self, changed: Callable[[], None]) -> None:
        """Call `changed` no more."""
        self._followers.remove(changed)

    def refresh(self) -> bool:
        """Read the files if they changed, and return whether there is new material; bad files keep the old."""
        stamp = _stamp(self._files)
        if stamp == self._stamp:
            return False
        try:
            fresh = read(self._files)
        except ValueError as error:
            # A pair is written one file after the other: said once per state, tried again at the next look.
            if stamp != self._complained_of:
                self._complained_of = stamp
                _log.warning("goes on with the certificate it has: %s", error)
            return False
        self._stamp = stamp
        if fresh == self._material:
            return False
        self._material = fresh
        _log.warning("has a new certificate: %s until %s", fresh.name or "without a SPIFFE id", fresh.expires_at)
        for changed in tuple(self._followers):
            changed()
        return True

    def _look_again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_POLL_S, self._look_again)
        self.refresh()


def of(settings: Any) -> Identity | None:
    """Return the identity that settings with tls_cert, tls_key and tls_ca name, None where they name none.

    Raises:
        ValueError: the files can't be used.
    """
    if not settings.tls_cert:
        return None
    files = TlsFiles(certificate=Path(settings.tls_cert), key=Path(settings.tls_key), authorities=Path(settings.tls_ca))
    return Identity(files)


def read(files: TlsFiles) -> Material:
    """Read and check the files.

    Raises:
        ValueError: one can't be read, the key is not the certificate's, or the certificate is not valid now.
    """
    # Plaintext processes don't pay for this import.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    certificate, key, authorities = (_bytes(path) for path in (files.certificate, files.key, files.authorities))
    own = _parsed(files.certificate, lambda: x509.load_pem_x509_certificates(certificate))[0]
    private = _parsed(files.key, lambda: load_pem_private_key(key, password=None))
    _parsed(files.authorities, lambda: x509.load_pem_x509_certificates(authorities))
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError(f"{files.key} must be an elliptic-curve or RSA key; gRPC takes no other")  # noqa: TRY004 - a file is wrong, not a type
    if private.public_key() != own.public_key():
        raise ValueError(f"{files.key} is not the key of the certificate in {files.certificate}")
    now = datetime.now(UTC)
    if not own.not_valid_before_utc <= now < own.not_valid_after_utc:
        span = f"{own.not_valid_before_utc:%Y-%m-%d %H:%M} to {own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise ValueError(f"{files.certificate} is valid from {span}, which is not now")
    return Material(
        certificate=certificate,
        key=key,
        authorities=authorities,
        name=_parsed(files.certificate, lambda: spiffe_id_of(own)),
        expires_at=own.not_valid_after_utc,
    )


def spiffe_id_of(certificate: Certificate) -> str:
    """Return the one SPIFFE id of a certificate; "" where it has none, or other URIs beside it."""
    from cryptography import x509  # noqa: PLC0415

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if len(uris) == 1 and is_spiffe_id(uris[0]) else ""


def is_spiffe_id(text: str) -> bool:
    """Return whether a text is a SPIFFE id of a workload: a trust domain and a path."""
    return len(text) <= _SPIFFE_ID_LENGTH_MAX and _SPIFFE_ID.fullmatch(text) is not None


def sibling(own: str, process: str, other: str) -> str:
    """Return the SPIFFE id of another process beside this one: the own id with the process's name replaced.

    Raises:
        ValueError: the own id doesn't end in the process's name.
    """
    if not own.endswith(process):
        raise ValueError(f"this process's SPIFFE id is {own or 'missing'!r} and doesn't end in {process!r}")
    return own.removesuffix(process) + other


def _stamp(files: TlsFiles) -> _Stamp:
    """Return what changes when a file does, also behind a symlink that is swapped."""
    stamps: list[tuple[int, int, int] | None] = []
    for path in (files.certificate, files.key, files.authorities):
        try:
            state = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((state.st_mtime_ns, state.st_ino, state.st_size))
    return tuple(stamps)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error


def _parsed(path: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        # The library has a dozen types for this, and their text may quote what it read: no key may get into a log.
        raise ValueError(f"{path} is not the PEM file it should be") from error
