"""Incidents of every replica, shared through the Redis that the limits are counted in."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge import incidents
from edge.incidents import Incidents, State

_MEMBERS: Final = "autopay:edge:incidents"
_DAY_S: Final = 86_400
_PUBLISH_S: Final = 5.0
_ANSWER_S_MAX: Final = 0.5
# Of more workers than these, those that published last.
_WORKERS_MAX: Final = 256


class RedisIncidents:
    """The port `SharedIncidents` on Redis: a key for each worker, which lives a day longer than the worker."""

    def __init__(
        self, redis: Redis, *, worker: str, incidents: Incidents, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        """Publish `incidents` as those of `worker`, an id that no other worker has."""
        self._redis = redis
        self._worker = worker
        self._incidents = incidents
        self._log = log
        self._is_up = True

    async def run(self) -> None:
        """Publish every five seconds, for as long as this is not cancelled."""
        while True:
            await self.publish()
            await asyncio.sleep(_PUBLISH_S)

    async def publish(self) -> bool:
        """Tell the other replicas what went wrong here; False where the storage doesn't answer."""
        now_s = time.time()
        try:
            async with asyncio.timeout(_ANSWER_S_MAX), self._redis.pipeline(transaction=False) as pipeline:
                pipeline.set(self._key(self._worker), orjson.dumps(self._incidents.state()), ex=_DAY_S)
                pipeline.zadd(_MEMBERS, {self._worker: now_s})
                pipeline.zremrangebyscore(_MEMBERS, 0, now_s - _DAY_S)
                pipeline.expire(_MEMBERS, _DAY_S)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._note(up=False, error=type(error).__name__)
            return False
        self._note(up=True)
        return True

    async def everywhere(self) -> State | None:
        """Return what went wrong in every replica, this worker's own up to now."""
        if not await self.publish():
            return None
        try:
            async with asyncio.timeout(_ANSWER_S_MAX):
                members: list[Any] = await self._redis.zrevrange(_MEMBERS, 0, _WORKERS_MAX - 1)
                contents = await self._redis.mget([self._key(member.decode()) for member in members])
        except (RedisError, OSError, TimeoutError):
            return None
        return incidents.merged(orjson.loads(content) for content in contents if content)

    def _key(self, worker: str) -> str:
        return f"{_MEMBERS}:{worker}"

    def _note(self, *, up: bool, error: str = "") -> None:
        if up is not self._is_up:
            self._is_up = up
            if up:
                self._log.info("incidents are shared again")
            else:
                self._log.warning("incidents can't be shared; each replica shows its own", error=error)
