"""The edge's settings, sources and ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge import sources
from edge.settings import EdgeSettings, split
from edge.sources import key_id_of
from edge.webhooks import RequestIds
from mesh.settings import environment_names
from providers import registry
from providers.autopay import AutopayProvider
from providers.contract import Provider
from tests.fakes.acme import Acme

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


@pytest.mark.parametrize(("workers", "each"), [(1, (3, 5)), (2, (1, 3)), (3, (1, 2)), (64, (1, 2))])
def test_workers_share_the_batches_that_may_be_out(workers: int, each: tuple[int, int]) -> None:
    """Two workers have hardly more batches out than one has; each may have one, and one more that is full or late."""
    assert EdgeSettings(workers=workers).inflight_per_worker == each


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


def test_production_refuses_an_api_key_that_is_not_hashed() -> None:
    """A setting that holds keys themselves is for development; the key is named by its id alone."""
    message = why_not(**{**PRODUCTION, "api_keys": "one.0123456789abcdefghijkl"})
    assert "EDGE_API_KEYS" in message
    assert "0123456789abcdefghijkl" not in message
    hashed = f"one:{'0' * 64}:transactions-read"
    assert EdgeSettings.load(**{**PRODUCTION, "api_keys": hashed}).production


def test_a_malformed_api_key_stops_the_start() -> None:
    """A wrong key is a wrong setting, told before anything is served."""
    assert "EDGE_API_KEYS" in why_not(api_keys="one")


def test_a_source_has_its_secrets_and_its_window() -> None:
    """Each secret has an id of its own that says nothing about it; the window is the configured one."""
    settings = EdgeSettings.load(hmac_secret_key="one,two", webhook_age_s_max=60, webhook_skew_s_max=2)
    source = sources.load(settings)[0]["autopay"]
    assert [secret.value for secret in source.secrets] == ["one", "two"]
    assert len({secret.key_id for secret in source.secrets}) == 2
    assert (source.window.age_s_max, source.window.skew_s_max) == (60, 2)


def test_a_source_without_a_secret_is_off() -> None:
    """Nothing configured, nothing served."""
    assert [source for source in sources.load(EdgeSettings.load())[0].values() if source.secrets] == []


def test_each_source_reads_its_own_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """WEBHOOK_SECRET_ and the name in upper case, with _ for -, or a file of it; PayPal's id has a name of its own."""
    (tmp_path / "secret").write_text("from a file\n")
    text = '[sources.acme-eu]\nprovider = "acme"\n[sources.paypal]\nprovider = "paypal"'
    paypal = Acme()
    paypal.name = "paypal"
    for name, value in {
        "WEBHOOK_SECRET_ACME_EU": "one, two",
        "WEBHOOK_SECRET_ACME_FILE": str(tmp_path / "secret"),
        "WEBHOOK_SECRET_AUTOPAY": "another",
        "HMAC_SECRET_KEY": "ours",
        "EDGE_PAYPAL_WEBHOOK_ID": "WH-1",
        "AUTOPAY_SOURCES": text,
    }.items():
        monkeypatch.setenv(name, value)
    loaded, _ = sources.load(EdgeSettings.load(), {**registry.load(), "acme": Acme(), "paypal": paypal})
    active = {name: [secret.value for secret in source.secrets] for name, source in loaded.items() if source.secrets}
    assert active == {
        "acme-eu": ["one", "two"],
        "acme": ["from a file"],
        "autopay": ["another", "ours"],
        "paypal": ["WH-1"],
    }


def test_one_secret_never_serves_two_sources() -> None:
    """Whoever may write one source could write the other; the message names both and shows nothing."""
    settings = EdgeSettings.load(hmac_secret_key="hunter2", webhook_secrets={"ACME": "x,hunter2"})
    with pytest.raises(ValueError, match=r"(autopay and acme|acme and autopay) have") as raised:
        sources.load(settings, {**registry.load(), "acme": Acme()})
    assert "hunter2" not in str(raised.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"webhook_secrets": {"STRPE": "x"}}, "WEBHOOK_SECRET_STRPE: there is no source"),
    "many": ({"hmac_secret_key": ",".join(map(str, range(17)))}, "source autopay has 17 secrets; at most 16"),
    "options": (
        {"webhook_secrets": {"DEMANDING": "x"}},
        "source demanding has a secret, and can.t verify",
    ),
    "file": ({"sources": "[sources.a]"}, r"AUTOPAY_SOURCES_FILE: sources\.a\.provider: is required"),
    "short": (
        {**PRODUCTION, "webhook_secrets": {"AUTOPAY": "short"}},
        "source autopay: the secret .* must have",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_work_is_refused_in_a_sentence(case: str) -> None:
    """A source that could not verify, or a secret that belongs to nobody, stops the start and is named."""
    values, sentence = WRONG[case]
    providers: dict[str, Provider] = {**registry.load(), "demanding": Acme(demands_shop=True)}
    with pytest.raises(ValueError, match=sentence):
        sources.load(EdgeSettings.load(**values), providers)


def test_a_secret_is_shown_nowhere() -> None:
    """Neither a source nor a secret tells its value when it is printed, as in a traceback."""
    source = sources.load(EdgeSettings.load(hmac_secret_key="hunter2"))[0]["autopay"]
    assert "hunter2" not in repr(source)


def test_a_setting_switches_the_in_body_form_off_for_every_source() -> None:
    """No file can switch on what EDGE_IN_BODY_SIGNATURES switches off."""
    text = '[sources.mine]\nprovider = "autopay"\noptions = { in_body = true }'
    for allowed in (True, False):
        settings = EdgeSettings.load(sources=text, webhook_secrets={"MINE": "x"}, in_body_signatures=allowed)
        provider = sources.load(settings)[0]["mine"].provider
        assert isinstance(provider, AutopayProvider)
        assert provider._in_body_allowed is allowed


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
