"""The sources file: what it may say, and what stands where it says nothing."""

from __future__ import annotations

import pytest

from providers import registry, sources
from providers.contract import Options, Provider
from tests.fakes.acme import Acme

PROVIDERS: dict[str, Provider] = {**registry.load(), "acme": Acme()}


def test_without_a_file_each_provider_is_a_source() -> None:
    """Every provider is a source of its own name, not declared, with no option."""
    found = sources.load("", PROVIDERS)
    assert set(found) == set(PROVIDERS)
    assert not any(each.declared for each in found.values())
    assert found["acme"].options == Options()


def test_a_file_adds_sources_of_a_provider() -> None:
    """Several sources may have one provider, each with options of its own."""
    found = sources.load(
        """
        [sources.acme-eu]
        provider = "acme"
        mode = "live"
        url = "https://pay.example/hooks"
        [sources.acme-eu.options]
        shop = 7
        [sources.acme-us]
        provider = "acme"
        mode = "test"
        """,
        PROVIDERS,
    )
    assert found["acme-eu"].options == Options(url="https://pay.example/hooks", live=True, table={"shop": 7})
    assert found["acme-us"].options == Options(live=False)
    assert found["acme-us"].declared
    provider = found["acme-eu"].provider
    assert isinstance(provider, Acme)
    assert provider.options is found["acme-eu"].options
    assert set(found) == {*PROVIDERS, "acme-eu", "acme-us"}


def test_the_public_url_and_the_path_are_the_default_url() -> None:
    """A source that states no URL is sent to the edge's public URL and its own path; autopay has the product's."""
    found = sources.load('[sources.shop]\nprovider = "acme"', PROVIDERS, public_url="https://pay.example/")
    assert found["shop"].options.url == "https://pay.example/webhooks/shop"
    assert found["acme"].options.url == "https://pay.example/webhooks/acme"
    assert found["autopay"].options.url == "https://pay.example/webhooks/payments"


def test_enforced_options_stand_whatever_the_file_says() -> None:
    """What a setting of the process switches off, no file switches on."""
    text = '[sources.autopay]\nprovider = "autopay"\n[sources.autopay.options]\nin_body = true'
    found = sources.load(text, PROVIDERS, enforced={"autopay": {"in_body": False}})
    assert found["autopay"].options.table == {"in_body": False}


def test_a_provider_that_needs_options_waits_for_them() -> None:
    """Its own source can't verify and says why; one of the file is refused at once, by name."""
    demanding: dict[str, Provider] = {"acme": Acme(demands_shop=True)}
    assert sources.load("", demanding)["acme"].problem == "options.shop is required"
    with pytest.raises(ValueError, match=r"^sources\.shop: options\.shop is required$"):
        sources.load('[sources.shop]\nprovider = "acme"', demanding)


WRONG = {
    "[sources.a\n": "not TOML: .*line 1",
    "other = 1": "^other: unknown",
    "sources = 1": r"^sources: must be tables",
    "[sources]\na = 1": r"^sources\.a: must be a table",
    '[sources."A b"]\nprovider = "acme"': r"^sources\.A b: a name is",
    "[sources.-a]\nprovider = 'acme'": r"^sources\.-a: a name is",
    f"[sources.{'a' * 41}]\nprovider = 'acme'": "a name is",
    "[sources.payments]\nprovider = 'acme'": "the name is taken",
    "[sources.a-file]\nprovider = 'acme'": "WEBHOOK_SECRET_A_FILE reads as a file",
    "[sources.a]": r"^sources\.a\.provider: is required",
    "[sources.a]\nprovider = 'nobody'": r"^sources\.a\.provider: must be one of acme, .*autopay",
    "[sources.a]\nprovider = ['acme']": r"^sources\.a\.provider: must be one of",
    "[sources.autopay]\nprovider = 'acme'": "named like a provider",
    "[sources.a]\nprovider = 'acme'\nsecret = 'x'": r"^sources\.a\.secret: unknown; there are mode, options",
    "[sources.a]\nprovider = 'acme'\nurl = 'pay.example'": r"^sources\.a\.url",
    "[sources.a]\nprovider = 'acme'\nurl = 1": r"^sources\.a\.url",
    "[sources.a]\nprovider = 'acme'\nmode = 'prod'": r"^sources\.a\.mode",
    "[sources.a]\nprovider = 'acme'\nmode = [1]": r"^sources\.a\.mode",
    "[sources.a]\nprovider = 'acme'\noptions = 1": r"^sources\.a\.options",
    "[sources.a-b]\nprovider = 'acme'\n[sources.a_b]\nprovider = 'acme'": "WEBHOOK_SECRET_A_B is that of a-b, too",
    "".join(f"[sources.s{count}]\nprovider = 'acme'\n" for count in range(201)): "at most 200",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_wrong_file_is_refused_and_the_place_named(text: str) -> None:
    """Whatever is wrong is a ValueError that names the line or the field."""
    with pytest.raises(ValueError, match=WRONG[text]):
        sources.load(text, PROVIDERS)
