"""Samples a running mesh from a thread: memory and open files of each process, and its asyncio tasks."""

from __future__ import annotations

import threading
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import psutil

from bench import processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_EVERY_S: Final = 2.0
_SCRAPE_S_MAX: Final = 5.0
_MIB: Final = 1 << 20
_TASKS: Final = "asyncio_tasks "


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What each process held at one time, seconds after the start; tasks only of those that tell."""

    at_s: float
    rss_mib: Mapping[str, float]
    files: Mapping[str, int]
    tasks: Mapping[str, int]


def tasks_of(text: str) -> int:
    """Return the number of asyncio tasks that a page of metrics tells.

    Raises:
        ProcessLostError: It tells none.
    """
    line = next((line for line in text.splitlines() if line.startswith(_TASKS)), None)
    if line is None:
        message = "a process does not tell asyncio_tasks"
        raise processes.ProcessLostError(message)
    return int(float(line.removeprefix(_TASKS)))


def look(groups: Mapping[str, tuple[int, ...]], scrapes: Mapping[str, str], *, at_s: float) -> Moment:
    """Sample every process once.

    Raises:
        ProcessLostError: One has ended, or does not answer.
    """
    try:
        return Moment(
            at_s=at_s,
            rss_mib={name: usage.rss_bytes / _MIB for name, usage in processes.sample(groups).items()},
            files={name: sum(psutil.Process(pid).num_fds() for pid in pids) for name, pids in groups.items()},
            tasks={name: tasks_of(_scraped(address)) for name, address in scrapes.items()},
        )
    except (OSError, psutil.Error) as error:
        message = f"a process can't be looked at: {error}"
        raise processes.ProcessLostError(message) from error


def least(looks: Sequence[Moment]) -> Moment:
    """Return the least that each process held in several looks."""
    first = looks[0]
    return Moment(
        at_s=first.at_s,
        rss_mib={name: min(look.rss_mib[name] for look in looks) for name in first.rss_mib},
        files={name: min(look.files[name] for look in looks) for name in first.files},
        tasks={name: min(look.tasks[name] for look in looks) for name in first.tasks},
    )


def _scraped(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=_SCRAPE_S_MAX) as answer:
        return str(answer.read().decode())


class Watch:
    """Looks every two seconds while its context lasts; what went wrong meanwhile is raised at its end."""

    def __init__(self, groups: Mapping[str, tuple[int, ...]], scrapes: Mapping[str, str]) -> None:
        self.moments: list[Moment] = []
        self._groups, self._scrapes = groups, scrapes
        self._ended = threading.Event()
        self._failure: processes.ProcessLostError | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        started_s = time.monotonic()
        try:
            while not self._ended.wait(_EVERY_S):
                self.moments.append(look(self._groups, self._scrapes, at_s=time.monotonic() - started_s))
        except processes.ProcessLostError as failure:
            self._failure = failure
