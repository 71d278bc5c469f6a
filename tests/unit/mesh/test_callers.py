"""Allow-lists: how they are written, what they grant, how a wrong one is told."""

from __future__ import annotations

import logging
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from autopay.ledger.v1 import ledger_pb2

from mesh import callers
from mesh.callers import Admission, Caller, admission, parse
from mesh.errors import Fault, Kind
from mesh.identity import Identity
from services.ingest.settings import IngestSettings
from services.insight.settings import InsightSettings
from services.ledger.settings import LedgerSettings
from tests.certificates import identity_of, make, name_of

LEDGER = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name


class Context:
    """As much of a call's context as admission reads."""

    def __init__(self, name: str) -> None:
        """A peer with this SPIFFE id, none where it is empty."""
        self._properties = {"peer_spiffe_id": [name.encode()]} if name else {"x509_common_name": [b"edge"]}

    def auth_context(self) -> Any:
        """Return what gRPC knows of the peer."""
        return self._properties


@pytest.fixture
def own(tmp_path: Path) -> Identity:
    """The ledger's identity."""
    return identity_of(make(tmp_path), "ledger")


def admitted(own: Identity, grants: str, writers: str = "") -> Admission:
    """The admission of a ledger."""
    found = admission(own, "ledger", service=LEDGER, callers=grants, writers=writers)
    assert found is not None
    return found


def admit(door: Admission, name: str, method: str = "Record") -> Caller:
    """Let a caller in and return it."""

    def call() -> Caller:
        door.admit(f"/{LEDGER}/{method}", Context(name))  # type: ignore[arg-type]
        return callers.current()

    # As each call of a server does: the caller is known in its context and nowhere else.
    return copy_context().run(call)


def test_a_list_is_names_with_what_they_may() -> None:
    """Entries stand between semicolons or on lines of their own; spaces don't matter."""
    text = "spiffe://autopay/sa/ingest = Record , RecordStream;\n edge=GetTransaction\n;spiffe://autopay/sa/cli=*;"
    assert parse(text, "LEDGER_CALLERS") == {
        "spiffe://autopay/sa/ingest": {"Record", "RecordStream"},
        "edge": {"GetTransaction"},
        "spiffe://autopay/sa/cli": {"*"},
    }
    assert parse("", "LEDGER_CALLERS") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spiffe://autopay/sa/edge", "grants nothing"),
        ("edge=", "grants nothing"),
        ("edge=Record,", "grants nothing"),
        ("=Record", "neither a SPIFFE id"),
        ("https://edge=Record", "neither a SPIFFE id"),
        ("edge Record=*", "neither a SPIFFE id"),
        ("edge=Record;edge=*", "edge stands twice"),
    ],
)
def test_a_malformed_list_is_one_line_that_names_the_variable(text: str, said: str) -> None:
    """Whoever starts the process reads which variable is wrong, and how."""
    with pytest.raises(ValueError, match=f"^LEDGER_CALLERS: .*{said}") as raised:
        parse(text, "LEDGER_CALLERS")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("plaintext", [True, False])
def test_a_method_that_the_service_has_not_is_refused_at_start(own: Identity, plaintext: bool) -> None:
    """A mistyped method would deny silently; it stops the start, also where no list is enforced."""
    with pytest.raises(ValueError, match=r"LEDGER_CALLERS: edge may call Recrod, but .* has only Record, "):
        admission(None if plaintext else own, "ledger", service=LEDGER, callers="edge=Recrod")


def test_only_what_is_granted_is_admitted(own: Identity) -> None:
    """A caller may call its own methods; other methods, other callers and callers without a name are FORBIDDEN."""
    door = admitted(own, "ingest=Record;spiffe://elsewhere/sa/audit=*")
    assert admit(door, name_of("ingest")).name == name_of("ingest")
    assert admit(door, "spiffe://elsewhere/sa/audit", "GetTransaction").name == "spiffe://elsewhere/sa/audit"
    refused = [
        (name_of("ingest"), "GetTransaction"),
        (name_of("edge"), "Record"),
        ("spiffe://elsewhere/sa/ingest", "Record"),
        (name_of("ingest") + "/", "Record"),
        ("", "Record"),
    ]
    for name, method in refused * 2:
        with pytest.raises(Fault) as raised:
            admit(door, name, method)
        assert (raised.value.kind, raised.value.reason) == (Kind.FORBIDDEN, "FORBIDDEN")
        assert raised.value.metadata == {"caller": name, "method": method}


def test_a_refusal_is_logged_once(own: Identity, caplog: pytest.LogCaptureFixture) -> None:
    """A caller that tries again and again fills no disk."""
    door = admitted(own, "ingest=Record")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(Fault):
                admit(door, name_of("edge"))
    assert caplog.text.count(name_of("edge")) == 1


def test_a_caller_writes_what_it_was_granted_and_no_more(own: Identity) -> None:
    """Rights to call and rights to write are apart: a writer of one namespace is refused the others by name."""
    partner = "spiffe://partners/sa/partner"
    door = admitted(own, f"ingest=Record;{partner}=Record;edge=Record", f"ingest=*;{partner}=partner_a,partner_b")
    assert admit(door, name_of("ingest")).unlimited
    caller = admit(door, partner)
    assert [caller.may_write(source) for source in ("partner_a", "partner_b", "autopay", "*", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(Fault) as raised:
        caller.demand("autopay")
    assert raised.value.metadata == {"caller": partner, "source": "autopay"}
    assert not admit(door, name_of("edge")).may_write("autopay")


def test_in_plaintext_everybody_may_do_everything() -> None:
    """Without certificates nobody has a name: there is no admission, and the caller is anybody."""
    assert admission(None, "ledger", service=LEDGER, callers="ingest=Record") is None
    assert callers.current().unlimited


def test_a_short_name_needs_an_own_name_to_be_short_for(own: Identity) -> None:
    """Where our own SPIFFE id doesn't say what the process is, names must be written whole."""
    with pytest.raises(ValueError, match=r"INGEST_WRITERS: 'edge' is short .* doesn't end in 'ingest'; write it whole"):
        admission(own, "ingest", service="none", callers="", writers="edge=*")
    with pytest.raises(ValueError, match=r"LEDGER_CALLERS: .*/sa/edge stands twice"):
        admission(own, "ledger", service=LEDGER, callers=f"edge=Record;{name_of('edge')}=*")


def test_the_defaults_are_lists_that_can_be_used() -> None:
    """What each process grants by itself names methods that exist."""
    ledger, ingest, insight = LedgerSettings.load(), IngestSettings.load(), InsightSettings.load()
    admission(None, "ledger", service=LEDGER, callers=ledger.callers, writers=ledger.writers)
    admission(
        None,
        "ingest",
        service="autopay.ingest.v1.IngestService",
        callers=ingest.callers,
        writers=ingest.writers,
    )
    admission(None, "insight", service="autopay.insight.v1.InsightService", callers=insight.callers)
