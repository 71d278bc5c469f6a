"""`autopay keys new` prints a key once, and what the edge keeps of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from typer.testing import CliRunner

from autopay_cli.__main__ import application
from edge import key_entries
from edge.key_entries import Scope


def test_a_key_and_its_entry_are_printed() -> None:
    """The entry is one that the edge takes, with the scopes and the days that were asked for."""
    words = [
        "keys",
        "new",
        "reports",
        "--scope",
        "reports-read",
        "--scope",
        "transactions-read",
        "--days",
        "30",
        "--json",
    ]
    answer = CliRunner().invoke(application(), words)
    made = json.loads(answer.stdout)
    (entry,) = key_entries.parse([made["entry"]])
    key_id, _, secret = made["key"].partition(".")
    assert (entry.id, entry.digest) == (key_id, key_entries.digest_of(secret))
    assert entry.scopes == {Scope.REPORTS_READ, Scope.TRANSACTIONS_READ}
    end = datetime.now(UTC).date() + timedelta(days=31)
    assert datetime.fromtimestamp(entry.ends_at_s or 0, UTC).date() == end


def test_a_person_sees_both_lines() -> None:
    """Without --json each stands on a line of its own; by default it reads payments, for a year."""
    answer = CliRunner().invoke(application(), ["keys", "new", "me"])
    lines = answer.stdout.splitlines()
    assert "this once" in lines[0]
    (entry,) = key_entries.parse([lines[1].split()[-1]])
    assert entry.scopes == {Scope.TRANSACTIONS_READ}


def test_an_id_that_is_not_one_is_a_failure() -> None:
    """What can't be an id is told in one sentence."""
    answer = CliRunner().invoke(application(), ["keys", "new", "a.b"])
    assert "an id is 1 to 40" in str(answer.exception)
