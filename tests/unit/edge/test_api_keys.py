"""API keys: what is configured, what is kept of it, and how it is compared."""

from __future__ import annotations

import hashlib

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from edge.api_keys import ApiKeys
from mesh.errors import Fault, Kind

SECRET = "0123456789abcdefghijkl"
KEYS = ApiKeys([f"one.{SECRET}", f"two.{SECRET[::-1]}", "dots.a.b.c.d.e.f.g.h.i.j.k.l"])


def check(key: str, *, header: str = "X-API-Key") -> str:
    """Return the id of a key as a request carries it."""
    return KEYS.check(make_mocked_request("GET", "/", headers={header: key}))


@pytest.mark.parametrize(
    ("key", "key_id"),
    [(f"one.{SECRET}", "one"), (f"two.{SECRET[::-1]}", "two"), ("dots.a.b.c.d.e.f.g.h.i.j.k.l", "dots")],
)
def test_a_configured_key_is_known_by_its_id(key: str, key_id: str) -> None:
    """The id is what stands before the first dot; the secret may hold more of them."""
    assert check(key) == key_id
    assert check(f"Bearer {key}", header="Authorization") == key_id


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
    assert KEYS._digests["one"] == hashlib.sha256(SECRET.encode()).digest()


@pytest.mark.parametrize("key", ["one", "one.", ".secret-of-22-characters-x", "one.short", f"one.{SECRET[:-1]}"])
def test_a_key_that_is_not_one_stops_the_start(key: str) -> None:
    """A key without id or with a short secret is a wrong setting, named without its value."""
    with pytest.raises(ValueError, match="EDGE_API_KEYS") as raised:
        ApiKeys([key])
    assert key not in str(raised.value)


def test_an_id_twice_stops_the_start() -> None:
    """Two keys of one id would silently leave only the last: that is a wrong setting."""
    with pytest.raises(ValueError, match="EDGE_API_KEYS"):
        ApiKeys([f"one.{SECRET}", f"one.{SECRET[::-1]}"])
