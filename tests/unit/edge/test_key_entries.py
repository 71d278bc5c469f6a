"""API keys as they are configured: forms, scopes, last days, and what stops the start."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import pytest

from edge import key_entries
from edge.key_entries import EVERYTHING, Scope

SECRET = "0123456789abcdefghijkl"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()


def test_a_plain_key_may_do_everything_for_ever() -> None:
    """`id.secret` is for development: every scope, no end."""
    (entry,) = key_entries.parse([f"one.{SECRET}"])
    assert (entry.id, entry.digest.hex(), entry.scopes, entry.ends_at_s) == ("one", DIGEST, EVERYTHING, None)
    assert not entry.hashed


def test_a_hashed_key_has_its_scopes_and_its_last_day() -> None:
    """The last day belongs to the key's time, UTC."""
    (entry,) = key_entries.parse([f"one:{DIGEST}:transactions-read+monitoring-read:2027-01-31"])
    assert entry.scopes == {Scope.TRANSACTIONS_READ, Scope.MONITORING_READ}
    assert entry.ends_at_s == datetime(2027, 2, 1, tzinfo=UTC).timestamp()
    assert entry.hashed


def test_the_last_day_may_be_left_out() -> None:
    """Without one the key has no end."""
    (entry,) = key_entries.parse([f"one:{DIGEST}:transactions-full"])
    assert entry.scopes == {Scope.TRANSACTIONS_FULL}
    assert entry.ends_at_s is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"one:{DIGEST}", "must be id.secret, or id:sha256"),
        (f"one:{DIGEST}:transactions-read:2027-01-31:more", "must be id.secret, or id:sha256"),
        (f"one:{DIGEST[:-1]}:transactions-read", "must be id.secret, or id:sha256"),
        (f"o ne:{DIGEST}:transactions-read", "must be id.secret, or id:sha256"),
        (f"one:{DIGEST}:", "an empty scope"),
        (f"one:{DIGEST}:transactions-read+", "an empty scope"),
        (f"one:{DIGEST}:transactions-write", "transactions-write is none of"),
        (f"one:{DIGEST}:transactions-read:2027-02-30", "last day"),
        (f"one:{DIGEST}:transactions-read:", "last day"),
        ("one.short", "at least 22 characters"),
    ],
)
def test_an_entry_that_is_not_one_is_named_by_its_fault(text: str, named: str) -> None:
    """The message says what is wrong, and shows neither secret nor hash."""
    with pytest.raises(ValueError, match="EDGE_API_KEYS") as raised:
        key_entries.parse([text])
    assert named in str(raised.value)
    assert DIGEST[:-1] not in str(raised.value)
    assert "short" not in str(raised.value)


def test_an_id_twice_is_refused_in_any_form() -> None:
    """Two keys of one id would silently leave only the last."""
    with pytest.raises(ValueError, match="the id one occurs twice"):
        key_entries.parse([f"one.{SECRET}", f"one:{DIGEST}:reports-read"])


def test_a_new_keys_entry_knows_the_key() -> None:
    """What is configured is the hash of what is sent; the secret has 256 bits and stands nowhere in the entry."""
    made = key_entries.new("one", [Scope.REPORTS_READ, Scope.REPORTS_READ], last_day=date(2027, 1, 31))
    key_id, _, secret = made.key.partition(".")
    (entry,) = key_entries.parse([made.entry])
    assert (entry.id, entry.digest) == (key_id, hashlib.sha256(secret.encode()).digest())
    assert entry.scopes == {Scope.REPORTS_READ}
    assert entry.ends_at_s == datetime(2027, 2, 1, tzinfo=UTC).timestamp()
    assert len(secret) == 43
    assert secret not in made.entry
    assert key_entries.new("one", [Scope.REPORTS_READ]).key != made.key


@pytest.mark.parametrize(
    ("key_id", "scopes"), [("", EVERYTHING), ("a.b", EVERYTHING), ("x" * 41, EVERYTHING), ("a", ())]
)
def test_what_is_no_key_is_not_made(key_id: str, scopes: frozenset[Scope]) -> None:
    """An id of other letters, or no scope, makes no key."""
    with pytest.raises(ValueError, match=r"an id is|needs a scope"):
        key_entries.new(key_id, scopes)
