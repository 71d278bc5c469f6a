"""API keys: what is kept of them, how they are compared, and what they may do."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.api_keys import MONITORING_KEY_ID, ApiKeys
from edge.key_entries import Scope, parse
from mesh.errors import Fault, Kind

SECRET = "0123456789abcdefghijkl"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()
KEYS = ApiKeys(parse([f"one.{SECRET}", f"two.{SECRET[::-1]}", "dots.a.b.c.d.e.f.g.h.i.j.k.l"]))


def check(key: str, *, keys: ApiKeys = KEYS, header: str = "X-API-Key", scope: Scope = Scope.TRANSACTIONS_READ) -> str:
    """Return the id of a key as a request carries it."""
    return keys.check(make_mocked_request("GET", "/", headers={header: key}), scope).key_id


@pytest.mark.parametrize(
    ("key", "key_id"),
    [(f"one.{SECRET}", "one"), (f"two.{SECRET[::-1]}", "two"), ("dots.a.b.c.d.e.f.g.h.i.j.k.l", "dots")],
)
def test_a_configured_key_is_known_by_its_id(key: str, key_id: str) -> None:
    """The id is what stands before the first dot; the secret may hold more of them."""
    assert check(key) == key_id
    assert check(f"Bearer {key}", header="Authorization") == key_id


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60))
def test_no_other_text_is_a_key(text: str) -> None:
    """Whatever is sent that was not configured is refused, without another error."""
    with pytest.raises(Fault) as raised:
        check(text)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAUTHENTICATED, "API_KEY_INVALID")


def test_one_keys_secret_does_not_open_with_anothers_id() -> None:
    """Id and secret belong together."""
    with pytest.raises(Fault):
        check(f"two.{SECRET}")


def test_secrets_are_kept_as_digests_only() -> None:
    """Whoever reads the process's memory of its keys finds hashes."""
    assert SECRET not in repr(vars(KEYS))
    assert KEYS._entries["one"].digest == hashlib.sha256(SECRET.encode()).digest()


def test_a_key_without_the_scope_is_told_which() -> None:
    """A valid key that may not do this is 403 and not 401: another key is needed, not another try."""
    keys = ApiKeys(parse([f"one:{DIGEST}:transactions-read"]))
    assert check(f"one.{SECRET}", keys=keys) == "one"
    with pytest.raises(Fault) as raised:
        check(f"one.{SECRET}", keys=keys, scope=Scope.TRANSACTIONS_FULL)
    assert (raised.value.kind, raised.value.reason) == (Kind.FORBIDDEN, "API_KEY_INVALID")
    assert raised.value.metadata == {"scope": "transactions:full"}


def test_a_key_is_refused_from_its_end_on() -> None:
    """The last second of the last day is in, the next one is out; a wrong secret is not told that it is over."""
    end_s = datetime(2027, 2, 1, tzinfo=UTC).timestamp()
    entries = parse([f"one:{DIGEST}:transactions-read:2027-01-31"])
    assert check(f"one.{SECRET}", keys=ApiKeys(entries, clock_s=lambda: end_s - 1)) == "one"
    over = ApiKeys(entries, clock_s=lambda: end_s)
    for key, word in ((f"one.{SECRET}", "is over"), (f"one.{SECRET}x", "valid API key")):
        with pytest.raises(Fault, match=word) as raised:
            check(key, keys=over)
        assert raised.value.kind is Kind.UNAUTHENTICATED


def test_the_monitoring_key_reads_monitoring_alone() -> None:
    """X-Monitoring-Key opens what is monitored and nothing else; an API key with the scope does so, too."""
    keys = ApiKeys(parse([f"one:{DIGEST}:monitoring-read"]), monitoring_key="the-monitoring-key")
    see: dict[str, Any] = {"keys": keys, "scope": Scope.MONITORING_READ}
    assert check("the-monitoring-key", header="X-Monitoring-Key", **see) == MONITORING_KEY_ID
    assert check(f"one.{SECRET}", **see) == "one"
    for key, header, scope in (
        ("the-monitoring-key", "X-Monitoring-Key", Scope.TRANSACTIONS_READ),
        ("the-monitoring-key", "X-API-Key", Scope.MONITORING_READ),
        ("another", "X-Monitoring-Key", Scope.MONITORING_READ),
    ):
        with pytest.raises(Fault):
            check(key, keys=keys, header=header, scope=scope)


@pytest.mark.parametrize("key", ["", "\0", "a"])
def test_without_a_monitoring_key_none_is_one(key: str) -> None:
    """Nothing configured opens nothing."""
    with pytest.raises(Fault):
        check(key, keys=ApiKeys([]), header="X-Monitoring-Key", scope=Scope.MONITORING_READ)
