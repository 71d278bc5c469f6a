"""Who may call what: allow-lists on the callers' SPIFFE ids, per method, and what each caller may write."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool

from mesh.errors import Fault, Kind
from mesh.identity import Identity, is_spiffe_id, sibling

_log = logging.getLogger(__name__)

EVERYTHING: Final = "*"
# What gRPC calls the peer's SPIFFE id; absent where a certificate has none, or more than one URI.
_PEER: Final = "peer_spiffe_id"
_SHORT_NAME: Final = re.compile(r"[a-z0-9._-]+", re.ASCII)
_REMEMBERED_MAX: Final = 1_024

Grants = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes the call that is being answered.

    Attributes:
        name: its SPIFFE id; "" in plaintext, where nobody has one.
        writes: the namespaces it may write; `*` is every one.
    """

    name: str
    writes: frozenset[str]

    def may_write(self, namespace: str) -> bool:
        """Return whether it may write there."""
        return EVERYTHING in self.writes or namespace in self.writes

    @property
    def unlimited(self) -> bool:
        """Whether it may write everything, as everybody may in plaintext."""
        return EVERYTHING in self.writes

    def demand(self, namespace: str) -> None:
        """Let pass what it may write.

        Raises:
            Fault: FORBIDDEN, it may not write there.
        """
        if self.may_write(namespace):
            return
        raise Fault(
            kind=Kind.FORBIDDEN,
            reason="FORBIDDEN",
            message=f"{self.name} may not write {namespace}.",
            metadata={"caller": self.name, "source": namespace},
        )


_ANYBODY: Final = Caller(name="", writes=frozenset({EVERYTHING}))
_current: Final[ContextVar[Caller]] = ContextVar("caller", default=_ANYBODY)


def current() -> Caller:
    """Return the caller of the call that runs; in plaintext it is nobody in particular and may write everything."""
    return _current.get()


class Admission:
    """Lets callers in by their names; what is not granted is refused."""

    def __init__(self, identity: Identity, *, calls: Grants, writes: Grants) -> None:
        """Serve as `identity`; `calls` maps names to methods, `writes` names to namespaces."""
        self.identity = identity
        self._calls = calls
        self._writes = writes
        self._admitted: dict[tuple[str, str], Caller] = {}
        self._refused: set[tuple[str, str]] = set()

    def admit(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Make the peer the current caller of `/package.Service/Method`.

        Raises:
            Fault: FORBIDDEN, it may not call this method.
        """
        name = next(iter(context.auth_context().get(_PEER, ())), b"").decode()
        caller = self._admitted.get((name, method))
        _current.set(self._decide(name, method) if caller is None else caller)

    def _decide(self, name: str, method: str) -> Caller:
        short = method.rpartition("/")[2]
        granted = self._calls.get(name, frozenset())
        if EVERYTHING not in granted and short not in granted:
            self._note_refusal(name, method)
            raise Fault(
                kind=Kind.FORBIDDEN,
                reason="FORBIDDEN",
                message=f"{name or 'A caller without a SPIFFE id'} may not call {short}.",
                metadata={"caller": name, "method": short},
            )
        caller = Caller(name=name, writes=self._writes.get(name, frozenset()))
        # As many as names in the list times methods of the service: bounded by what we were configured with.
        self._admitted[name, method] = caller
        return caller

    def _note_refusal(self, name: str, method: str) -> None:
        """Log a refusal once; names of refused callers come from outside, so what is remembered has an end."""
        if (name, method) in self._refused or len(self._refused) >= _REMEMBERED_MAX:
            return
        self._refused.add((name, method))
        _log.warning("refused %s to %s, whom the allow-list doesn't grant it", method, name or "nobody")


def admission(
    identity: Identity | None, process: str, *, service: str, callers: str, writers: str = ""
) -> Admission | None:
    """Return who is let in, None in plaintext, where names can't be known.

    Args:
        identity: who we are.
        process: our name, for example "ledger": prefix of the variables, and last word of our SPIFFE id.
        service: the full gRPC service name that the methods belong to.
        callers: the value of `<PROCESS>_CALLERS`.
        writers: the value of `<PROCESS>_WRITERS`.

    Raises:
        ValueError: a value is malformed, or names a method that the service doesn't have; names the variable.
    """
    variable = f"{process.upper()}_CALLERS"
    calls = parse(callers, variable)
    writes = parse(writers, f"{process.upper()}_WRITERS")
    _check_methods(calls, service, variable)
    if identity is None:
        return None
    return Admission(
        identity,
        calls=_whole_names(calls, identity.name, process, variable),
        writes=_whole_names(writes, identity.name, process, f"{process.upper()}_WRITERS"),
    )


def parse(text: str, variable: str) -> dict[str, frozenset[str]]:
    """Return the grants in `NAME=thing,thing;NAME=*`; a NAME is a SPIFFE id, or short for a sibling of our own.

    Raises:
        ValueError: it is written in another way; names the variable.
    """
    grants: dict[str, frozenset[str]] = {}
    for entry in filter(None, (part.strip() for part in text.replace("\n", ";").split(";"))):
        name, _, listed = (part.strip() for part in entry.partition("="))
        things = frozenset(thing.strip() for thing in listed.split(","))
        if not (is_spiffe_id(name) or _SHORT_NAME.fullmatch(name)):
            raise ValueError(f"{variable}: {name!r} is neither a SPIFFE id (spiffe://domain/path) nor a process's name")
        if "" in things:
            raise ValueError(f"{variable}: {name} grants nothing; write {name}=A,B or {name}=*")
        if name in grants:
            raise ValueError(f"{variable}: {name} stands twice")
        grants[name] = things
    return grants


def _check_methods(calls: Grants, service: str, variable: str) -> None:
    try:
        pool = descriptor_pool.Default()  # type: ignore[no-untyped-call]
        known: Collection[str] = pool.FindServiceByName(service).methods_by_name
    except KeyError:
        # Not described by protobuf: its methods can't be known beforehand.
        return
    for name, methods in calls.items():
        if unknown := sorted(methods - set(known) - {EVERYTHING}):
            raise ValueError(f"{variable}: {name} may call {unknown[0]}, but {service} has only {', '.join(known)}")


def _whole_names(grants: Grants, own: str, process: str, variable: str) -> Grants:
    whole = {}
    for name, things in grants.items():
        try:
            full = name if is_spiffe_id(name) else sibling(own, process, name)
        except ValueError as error:
            raise ValueError(f"{variable}: {name!r} is short for a SPIFFE id, but {error}; write it whole") from None
        if full in whole:
            raise ValueError(f"{variable}: {full} stands twice")
        whole[full] = things
    return whole
