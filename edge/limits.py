"""Rate limits, counted in memory, Redis or MongoDB; where that can't be asked, everything is within its limit."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

import limits
import structlog
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError
from limits.storage import storage_from_string
from prometheus_client import CollectorRegistry, Gauge

from edge.client_address import ClientAddresses
from edge.networks import networks_of
from edge.settings import EdgeSettings, rate_of
from mesh.errors import Fault, Kind
from mesh.metrics import Counts

_ASK_S_MAX: Final = 0.05
# A storage that did not answer is left alone for a while: those who wait for it would all wait for nothing.
_PAUSE_S: Final = 1.0
# In memory, keys of a window are looked through on each hit. Beyond this many, strangers share one budget.
_KEYS_IN_MEMORY_MAX: Final = 1_000
_ASKED_AT_ONCE_MAX: Final = 32
_OVER_MAX: Final = 10_000
_OTHERS: Final = "others"


class Limit(Protocol):
    """One budget for each key."""

    @property
    def on(self) -> bool:
        """Whether there is a limit at all."""

    async def hit(self, key: str) -> float | None:
        """Count one; return the seconds until there is budget again, None where this one was within it."""

    async def demand(self, key: str) -> None:
        """Count one.

        Raises:
            Fault: RATE_LIMITED, with the seconds until there is budget again.
        """


def rate_limited(wait_s: float) -> Fault:
    """Return the fault of whoever is over a limit."""
    message = "Too many requests; wait as long as Retry-After says."
    return Fault(kind=Kind.EXHAUSTED, reason="RATE_LIMITED", message=message, retry_after_s=max(1.0, wait_s))


class Unlimited:
    """No limit."""

    on: Final = False

    async def hit(self, key: str) -> None:
        """Let everything pass."""

    async def demand(self, key: str) -> None:
        """Let everything pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit of the edge.

    Attributes:
        unverified: deliveries whose signature is wrong, by client address. Only asked after one has failed.
        reads: reads, by API key's id.
        monitoring: the monitoring pages, by key's id.
        verified: deliveries that verify, by source.
        addresses: finds the client addresses.
    """

    unverified: Limit = field(default_factory=Unlimited)
    reads: Limit = field(default_factory=Unlimited)
    monitoring: Limit = field(default_factory=Unlimited)
    verified: Limit = field(default_factory=Unlimited)
    addresses: ClientAddresses = field(default_factory=ClientAddresses)


class Over:
    """Who is known to be over a limit, and how long: a flood of theirs asks no storage."""

    def __init__(self) -> None:
        """Know nobody."""
        self._until: dict[tuple[str, str], float] = {}

    def wait_s(self, name: str, key: str) -> float | None:
        """Return the seconds until there is budget again, None where that is not known."""
        until = self._until.get((name, key))
        if until is None:
            return None
        left_s = until - time.monotonic()
        return left_s if left_s > 0 else None

    def note(self, name: str, key: str, wait_s: float) -> None:
        """Remember a key that is over its limit for so many seconds."""
        if len(self._until) >= _OVER_MAX:
            # Whoever is forgotten is asked for again.
            self._until.clear()
        self._until[name, key] = time.monotonic() + wait_s


class Counter:
    """Asks the storage, for a bounded time, and says so when it can't be asked."""

    def __init__(
        self, storage: Storage, registry: CollectorRegistry, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        """Count in `storage`."""
        self._storage = storage
        self._limiter = FixedWindowRateLimiter(storage)
        self._turns = asyncio.Semaphore(_ASKED_AT_ONCE_MAX)
        self._over = Over()
        self._log = log
        self._asked_again_at = 0.0
        self._is_up = True
        self._hits = Counts("limit_hits", "Requests counted, by limit and result.", ("limit", "result"), registry)
        self._up = Gauge(
            "limit_storage_up", "0 while limits can't be counted and everything passes.", registry=registry
        )
        self._up.set(1)

    async def hit(self, name: str, item: limits.RateLimitItem, key: str) -> float | None:
        """Count one for a key; return the seconds until there is budget again, None where it was within it."""
        known_s = self._over.wait_s(name, key)
        if known_s is not None:
            self._hits.add(name, "over")
            return known_s
        if time.monotonic() < self._asked_again_at:
            self._hits.add(name, "not_counted")
            return None
        try:
            async with asyncio.timeout(_ASK_S_MAX), self._turns:
                wait_s = await self._ask(item, name, key)
        except Exception as error:  # noqa: BLE001 - each storage has errors of its own, and none may refuse a request
            self._note_down(error)
            self._hits.add(name, "not_counted")
            return None
        self._note_up()
        self._hits.add(name, "within" if wait_s is None else "over")
        return wait_s

    def shared(self, name: str, item: limits.RateLimitItem, key: str) -> str:
        """Return the key that a stranger is counted under: in memory, one for all of them beyond a number."""
        if not isinstance(self._storage, MemoryStorage):
            return key
        counted = self._storage.storage
        return key if len(counted) < _KEYS_IN_MEMORY_MAX or item.key_for(name, key) in counted else _OTHERS

    async def _ask(self, item: limits.RateLimitItem, name: str, key: str) -> float | None:
        if await self._limiter.hit(item, name, key):
            return None
        wait_s = (await self._limiter.get_window_stats(item, name, key)).reset_time - time.time()
        self._over.note(name, key, wait_s)
        return wait_s

    def _note_down(self, error: Exception) -> None:
        self._asked_again_at = time.monotonic() + _PAUSE_S
        if self._is_up:
            self._is_up = False
            self._up.set(0)
            self._log.warning("limits can't be counted; everything passes", error=type(error).__name__)

    def _note_up(self) -> None:
        if not self._is_up:
            self._is_up = True
            self._up.set(1)
            self._log.info("limits are counted again")


class Budget:
    """A limit that is on. Fits `Limit`."""

    on: Final = True

    def __init__(self, name: str, item: limits.RateLimitItem, counter: Counter, *, of_strangers: bool = False) -> None:
        """Allow each key what `item` says, counted under the limit's name; strangers may bring any number of keys."""
        self._name = name
        self._item = item
        self._counter = counter
        self._of_strangers = of_strangers

    async def hit(self, key: str) -> float | None:
        """Count one, as the port says."""
        if self._of_strangers:
            key = self._counter.shared(self._name, self._item, key)
        return await self._counter.hit(self._name, self._item, key)

    async def demand(self, key: str) -> None:
        """Count one, as the port says."""
        wait_s = await self.hit(key)
        if wait_s is not None:
            raise rate_limited(wait_s)


def build(settings: EdgeSettings, registry: CollectorRegistry, log: structlog.typing.FilteringBoundLogger) -> Limits:
    """Return the limits as configured.

    Raises:
        ValueError: the storage can't be used; no part of its URL is shown.
    """
    counter = Counter(_storage(settings.limit_storage.get_secret_value()), registry, log)

    def limit(name: str, text: str, *, of_strangers: bool = False) -> Limit:
        item = rate_of(text)
        return Unlimited() if item is None else Budget(name, item, counter, of_strangers=of_strangers)

    return Limits(
        unverified=limit("unverified", settings.limit_unverified, of_strangers=True),
        reads=limit("reads", settings.limit_reads),
        monitoring=limit("monitoring", settings.limit_monitoring),
        verified=limit("verified", settings.limit_verified),
        addresses=ClientAddresses(networks_of(settings.trusted_proxies)),
    )


def _storage(url: str) -> Storage:
    scheme = urlsplit(url).scheme
    options: dict[str, str | float | bool] = {}
    if scheme.startswith("redis"):
        options = {"implementation": "redispy"}
    elif scheme.startswith("mongodb"):
        options = {"database_name": urlsplit(url).path.strip("/") or "limits", "serverSelectionTimeoutMS": 1_000}
    try:
        storage = storage_from_string(f"async+{url}", **options)
    except ConfigurationError:
        driver = "redis" if scheme.startswith("redis") else "motor"
        raise ValueError(f"EDGE_LIMIT_STORAGE: needs the package {driver}, which is not installed") from None
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own, whose texts may show a password
        raise ValueError(f"EDGE_LIMIT_STORAGE: can't be used: {type(error).__name__}") from None
    if not isinstance(storage, Storage):
        raise ValueError("EDGE_LIMIT_STORAGE: can't be asked without blocking")  # noqa: TRY004 - a wrong setting
    return storage
