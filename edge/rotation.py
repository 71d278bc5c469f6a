"""Secrets that change while the edge serves: noticed, checked as a whole, and put in place of the old at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from edge import secret_files
from edge.sources import Keyring, Keys, Source

POLL_S: Final = 1.0


class Rotation:
    """Keeps the sources' secrets what the keyring says."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        keyring: Keyring,
        *,
        registry: CollectorRegistry,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """Change the secrets of `sources`, which were read from `keyring`."""
        self._sources = sources
        self._keyring = keyring
        self._log = log
        self._stamp: secret_files.Stamp | None = None
        self._unknown: Sequence[str] = ()
        self._complaint = ""
        self._stale = Gauge(
            "webhook_secrets_stale", "1 while a change of the secrets can't be read.", registry=registry
        )

    async def run(self) -> None:
        """Look every second, for as long as this is not cancelled. Without a directory nothing can change."""
        while self._keyring.directory is not None:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Take what has changed since the last look; what can't be read leaves every secret as it was."""
        # In a thread: a disk that hangs must not hold up deliveries.
        try:
            keys = await asyncio.to_thread(self._changed)
        except ValueError as error:
            self._complain(str(error))
            return
        if keys is not None:
            self._replace(keys)

    def _changed(self) -> Keys | None:
        directory = self._keyring.directory
        assert directory is not None  # noqa: S101 - `run` has looked
        # Before the reading: what changes meanwhile is seen at the next look.
        stamp = secret_files.stamp(directory)
        if stamp is not None and stamp == self._stamp:
            return None
        keys = self._keyring.read()
        self._stamp = stamp
        return keys

    def _replace(self, keys: Keys) -> None:
        # No other code runs between the first and the last of these: requests see all of the old or all of the new.
        for name, source in self._sources.items():
            now, before = keys.secrets.get(name, ()), source.secrets
            if now != before:
                source.secrets = now
                self._log.warning(
                    "secrets changed",
                    source=name,
                    active=[each.key_id for each in now],
                    gone=sorted({each.key_id for each in before} - {each.key_id for each in now}),
                )
        if keys.unknown != self._unknown:
            self._unknown = keys.unknown
            self._log.warning("secrets of no source", directories=keys.unknown)
        self._complaint = ""
        self._stale.set(0)

    def _complain(self, complaint: str) -> None:
        self._stale.set(1)
        if complaint != self._complaint:
            self._complaint = complaint
            self._log.error("goes on with the secrets it has", error_message=complaint)
