"""A server under test, as the driver sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import launching, mongod

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where it listens, what its processes are, and where it stores payments (nowhere: `mongo_url` is None)."""

    name: str
    port: int
    path: str
    secret: bytes
    processes: Mapping[str, tuple[int, ...]]
    mongo_url: str | None = None
    database: str = ""
    collection: str = "transactions"

    @property
    def host(self) -> str:
        """The address it listens on, as a Host header has it."""
        return f"{launching.HOST}:{self.port}"

    def stored(self) -> int | None:
        """Count the payments it has stored; None if it stores none."""
        if self.mongo_url is None:
            return None
        return mongod.stored(self.mongo_url, self.database, self.collection)

    def inserts(self, collection: str) -> int:
        """Count the insert commands for a collection so far; 0 if it stores nothing."""
        return 0 if self.mongo_url is None else mongod.inserts(self.mongo_url, self.database, collection)

    def mongod_options(self) -> dict[str, Any]:
        """Return what the mongod behind it was told at its start; nothing if there is none."""
        return {} if self.mongo_url is None else mongod.options(self.mongo_url)
