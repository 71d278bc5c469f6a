"""The edge's settings, sources and ids."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edge import sources
from edge.settings import EdgeSettings, split
from edge.sources import key_id_of
from edge.webhooks import RequestIds
from mesh.settings import environment_names

LONG = "a-secret-of-more-than-32-characters-0123456789"
PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "in_body_signatures": False,
    "hmac_secret_key": LONG,
    "tls_cert": "tls.crt",
    "tls_key": "tls.key",
    "tls_ca": "ca.crt",
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the machine's environment says."""
    for name in environment_names(EdgeSettings):
        monkeypatch.delenv(name, raising=False)


def why_not(**values: Any) -> str:
    """Return the message with which loading fails."""
    with pytest.raises(ValueError, match="wrong setting: ") as raised:
        EdgeSettings.load(**values)
    return str(raised.value)


def test_the_specifications_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """HMAC_SECRET_KEY, MAX_WEBHOOK_AGE_SECONDS, MONITORING_API_KEY and the EDGE_ names are the environment's."""
    for name, value in {
        "HMAC_SECRET_KEY": "one,two",
        "MAX_WEBHOOK_AGE_SECONDS": "60",
        "MONITORING_API_KEY": "m",
        "EDGE_API_KEYS": "a.0123456789abcdefghijkl",
        "EDGE_WORKERS": "4",
        "EDGE_INGEST_TARGET": "dns:///localhost:50051",
    }.items():
        monkeypatch.setenv(name, value)
    settings = EdgeSettings.load()
    assert split(settings.hmac_secret_key) == ["one", "two"]
    assert (settings.webhook_age_s_max, settings.workers) == (60, 4)
    assert settings.ingest_target == "dns:///localhost:50051"
    assert settings.monitoring_key.get_secret_value() == "m"


def test_secrets_are_split_at_commas() -> None:
    """Spaces and empty parts are no part of a secret."""
    assert split(EdgeSettings.load(hmac_secret_key=" one ,, two,").hmac_secret_key) == ["one", "two"]


def test_production_takes_what_is_safe() -> None:
    """With certificates, a long secret and without the in-body form the edge may run in production."""
    assert EdgeSettings.load(**PRODUCTION).production


def test_production_refuses_the_form_that_parses_first() -> None:
    """In production a body is verified before anything reads it."""
    assert "EDGE_IN_BODY_SIGNATURES" in why_not(**{**PRODUCTION, "in_body_signatures": True})


def test_production_refuses_a_short_secret() -> None:
    """A short secret is a wrong setting in production, named without its value."""
    message = why_not(**{**PRODUCTION, "hmac_secret_key": f"{LONG},hunter2"})
    assert "HMAC_SECRET_KEY" in message
    assert "hunter2" not in message


def test_a_source_has_its_secrets_and_its_window() -> None:
    """Each secret has an id of its own that says nothing about it; the window is the configured one."""
    settings = EdgeSettings.load(hmac_secret_key="one,two", webhook_age_s_max=60, webhook_skew_s_max=2)
    source = sources.load(settings)["autopay"]
    assert [secret.value for secret in source.secrets] == ["one", "two"]
    assert len({secret.key_id for secret in source.secrets}) == 2
    assert (source.window.age_s_max, source.window.skew_s_max) == (60, 2)


def test_a_source_without_a_secret_is_off() -> None:
    """Nothing configured, nothing served."""
    assert sources.load(EdgeSettings.load()) == {}


def test_a_key_id_is_stable_and_tells_nothing() -> None:
    """The same secret has the same id on every replica, and the id is a bounded label."""
    assert key_id_of("one") == key_id_of("one") != key_id_of("two")
    assert re.fullmatch(r"[0-9a-f]{12}", key_id_of("one"))
    assert "one" not in key_id_of("one")


def test_request_ids_differ_between_requests_and_processes() -> None:
    """Ids of one process share a random prefix and count on; two processes never meet."""
    one, other = RequestIds(), RequestIds()
    ids = [one.next() for _ in range(100)] + [other.next() for _ in range(100)]
    assert len(set(ids)) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{14,25}", each) for each in ids)
    assert one.next()[:12] != other.next()[:12]
