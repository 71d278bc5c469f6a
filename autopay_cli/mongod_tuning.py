"""What a mongod of ours is told about its storage, for writes that touch leaf pages all over every index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# mongod's own default is half of memory; other members, and a developer's editor, want some, too.
_CACHE_SHARE: Final = 0.25
_CACHE_GIB_MIN: Final = 0.25
_CONTAINER_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_GIB: Final = 2**30
# Ids are random, so a burst of payments dirties most leaf pages: with the defaults (5 %, and 2.5 % of updates) mongod
# writes each of them out and reads it back all the time. This much may wait for the next checkpoint instead.
_EVICTION: Final = ",".join(
    f"eviction_{what}_{bound}={percent}"
    for what in ("dirty", "updates")
    for bound, percent in (("target", 40), ("trigger", 60))
)
# An index begins as one page, and a writer splits it once that has 5 MB: 36 ms in which nobody's write becomes durable,
# because the log can't pass by a write that has begun. Split at a tenth of that it is 4 ms at a time.
_INDEXES: Final = "memory_page_max=512k"


def cache_gib(*, members: int = 1) -> float:
    """Return what each of so many mongods may take for its cache, GiB. A bound: only what data needs is taken."""
    return max(round(_memory_bytes() / _GIB * _CACHE_SHARE / members, 2), _CACHE_GIB_MIN)


def options(*, members: int = 1) -> Mapping[str, str]:
    """Return mongod's options for each of so many members on this machine."""
    return {
        "--wiredTigerCacheSizeGB": f"{cache_gib(members=members):g}",
        "--wiredTigerEngineConfigString": _EVICTION,
        "--wiredTigerIndexConfigString": _INDEXES,
        # The default is a twentieth of the disk.
        "--oplogSize": "512",
    }


def _memory_bytes() -> int:
    """Return the machine's memory, or what a container may use of it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = _CONTAINER_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdecimal() else memory
