"""TLS for the edge's own callers: one certificate, read again when it changes, without a connection lost."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

_LOOK_S: Final = 1.0


class Https:
    """A context that shows the certificate of two files as they are at each handshake."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read the files.

        Raises:
            ValueError: they can't be used together; no part of the key is shown.
        """
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._stamp = self._stamp_now()
        self._load(self.context)
        self._complained_of: object = None

    def refresh(self, log: structlog.typing.FilteringBoundLogger) -> bool:
        """Take new files, and return whether there were some; those that can't be used change nothing."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        try:
            # Tried out first: loading a wrong pair would leave the context with half of it.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except ValueError as error:
            if stamp != self._complained_of:
                self._complained_of = stamp
                log.warning("goes on with the HTTPS certificate it has", error_message=str(error))
            return False
        self._stamp = stamp
        log.info("has a new HTTPS certificate")
        return True

    async def run(self, log: structlog.typing.FilteringBoundLogger) -> None:
        """Look every second, for as long as this is not cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.refresh(log)

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            # A password would be asked for at the terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or type(error).__name__
            raise ValueError(f"EDGE_HTTPS_CERT and EDGE_HTTPS_KEY can't be used: {reason}") from None

    def _stamp_now(self) -> object:
        stamps: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._key):
            try:
                state = path.stat()
                stamps.append((state.st_mtime_ns, state.st_ino, state.st_size))
            except OSError:
                stamps.append(None)
        return tuple(stamps)


def of(certificate: str, key: str) -> Https | None:
    """Return HTTPS with these files, None where none is named.

    Raises:
        ValueError: they can't be used.
    """
    return Https(Path(certificate), Path(key)) if certificate else None
