"""Looks at this machine and the mesh on it, and says what it finds."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autopay_cli import environment, meshfile, mongod, outside_mongo, own_identity, readiness
from autopay_cli.failure import Failure

if TYPE_CHECKING:
    import grpc

_PYTHON_MIN: Final = (3, 11)
_CHECK_S_MAX: Final = 3.0
_PACKAGES: Final[Mapping[str, Sequence[str]]] = {
    "edge": ("aiohttp", "cryptography", "limits", "rfc8785"),
    "ingest": ("cryptography", "iso4217", "rfc8785"),
    "ledger": ("cryptography", "iso4217", "motor", "pymongo"),
    "insight": ("cryptography", "google.generativeai", "motor", "pymongo"),
}
_SECRETS: Final[Mapping[str, str]] = {
    "HMAC_SECRET_KEY": "unset: `autopay up` makes one; `autopay serve edge` has no source `autopay` without it",
    "EDGE_API_KEYS": "unset: `autopay up` makes one; `autopay serve edge` answers no reads without it",
    "MONITORING_API_KEY": "unset: `autopay up` makes one",
    "GEMINI_API_KEY": "unset: the local explainer answers instead",
}
_TOOLS: Final[Mapping[str, str]] = {"wrk": "for `make bench`", "redis-server": "for limits shared by replicas"}


class State(StrEnum):
    """How a subject is."""

    GOOD = "ok"
    ABSENT = "absent"
    BAD = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One subject; BAD where something needed is missing, ABSENT where it is optional."""

    subject: str
    state: State
    detail: str


def examine(data_directory: Path) -> Sequence[Finding]:
    """Return every finding; tries to reach what should be running, for a few seconds at most."""
    try:
        variables: Mapping[str, str] = environment.load()
    except Failure as failure:
        return [Finding(subject=".env", state=State.BAD, detail=str(failure))]
    return [
        _python(),
        *_packages(),
        _mongo(variables),
        *_secrets(variables),
        _directory(data_directory),
        *_mesh(data_directory),
        *_tools(),
    ]


def _python() -> Finding:
    good = sys.version_info >= _PYTHON_MIN
    detail = f"{platform.python_version()} at {sys.executable}"
    return Finding(subject="python", state=State.GOOD if good else State.BAD, detail=detail)


def _packages() -> Iterator[Finding]:
    for process, packages in _PACKAGES.items():
        absent = [name for name in packages if not _installed(name)]
        detail = (
            f"pip install 'autopay-mesh[{process}]' ({', '.join(absent)})" if absent else "its packages are installed"
        )
        yield Finding(subject=process, state=State.ABSENT if absent else State.GOOD, detail=detail)


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _mongo(variables: Mapping[str, str]) -> Finding:
    try:
        if url := environment.value_of("MONGO_URL", variables):
            if not _installed("pymongo"):
                return Finding(subject="mongodb", state=State.ABSENT, detail="not asked: pymongo is not installed")
            outside_mongo.check(url)
            detail = f"MONGO_URL answers: {outside_mongo.redacted(url)}"
        else:
            detail = f"MONGO_URL is unset; `autopay up` runs {mongod.find()}"
    except Failure as failure:
        return Finding(subject="mongodb", state=State.BAD, detail=str(failure))
    return Finding(subject="mongodb", state=State.GOOD, detail=detail)


def _secrets(variables: Mapping[str, str]) -> Iterator[Finding]:
    for name, without in _SECRETS.items():
        try:
            known = bool(environment.value_of(name, variables))
            if name == "GEMINI_API_KEY":
                known = known or bool(environment.value_of("GOOGLE_API_KEY", variables))
        except Failure as failure:
            yield Finding(subject=name, state=State.BAD, detail=str(failure))
            continue
        state = State.GOOD if known else State.ABSENT
        yield Finding(subject=name, state=state, detail="set" if known else without)


def _directory(path: Path) -> Finding:
    if not path.exists():
        return Finding(subject="data", state=State.ABSENT, detail=f"{path}: made by `autopay up`")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        detail = f"{path} has mode {mode:o}, others can look in: chmod 700 {path}"
        return Finding(subject="data", state=State.BAD, detail=detail)
    return Finding(subject="data", state=State.GOOD, detail=f"{path}, mode {mode:o}")


def _mesh(data_directory: Path) -> Iterator[Finding]:
    try:
        mesh = meshfile.read(data_directory)
    except Failure as failure:
        yield Finding(subject="mesh", state=State.ABSENT, detail=str(failure))
        return
    targets = {"ingest": mesh.ingest, "ledger": mesh.ledger, "insight": mesh.insight}
    try:
        credentials = own_identity.credentials_of(Path(mesh.certificates)) if mesh.certificates else None
    except Failure as failure:
        yield Finding(subject="certificates", state=State.BAD, detail=str(failure))
        return
    answers = asyncio.run(_reach(mesh.edge, targets, credentials))
    for process, answers_well in answers.items():
        where = mesh.edge if process == "edge" else targets[process]
        detail = (
            f"{where} answers" if answers_well else f"{where} does not answer: see {data_directory}/logs/{process}.log"
        )
        yield Finding(subject=f"{process} running", state=State.GOOD if answers_well else State.BAD, detail=detail)


async def _reach(
    edge: str, targets: Mapping[str, str], credentials: grpc.ChannelCredentials | None
) -> Mapping[str, bool]:
    async def within(question: asyncio.Task[bool]) -> bool:
        try:
            return await asyncio.wait_for(question, _CHECK_S_MAX)
        except TimeoutError:
            return False

    names = ["edge", *targets]
    questions = [
        asyncio.create_task(readiness.answers_ok(f"{edge}/")),
        *(asyncio.create_task(readiness.grpc_serves(target, credentials)) for target in targets.values()),
    ]
    return dict(zip(names, await asyncio.gather(*map(within, questions)), strict=True))


def _tools() -> Iterator[Finding]:
    for name, purpose in _TOOLS.items():
        path = shutil.which(name)
        detail = path or f"not installed; optional, {purpose}"
        yield Finding(subject=name, state=State.GOOD if path else State.ABSENT, detail=detail)
