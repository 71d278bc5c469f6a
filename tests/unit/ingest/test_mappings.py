"""Whose mapping applies to a delivery, also where edge and ingest were started with different files."""

from __future__ import annotations

import pytest

from providers.contract import Provider
from services.ingest.mappings import Mappings
from tests.fakes.acme import Acme

FILE = '[sources.eu]\nprovider = "acme"\nmode = "live"\noptions = { shop = 7 }'
PROVIDERS: dict[str, Provider] = {"acme": Acme()}


def options_of(mappings: Mappings, source: str, provider: str = "acme") -> dict[str, object]:
    """Return the options that a delivery would be mapped with."""
    found = mappings.of(source, provider)
    assert isinstance(found, Acme)
    return dict(found.options.table)


def test_a_source_is_mapped_as_it_is_configured() -> None:
    """Its own options apply, and to no other source of the provider."""
    mappings = Mappings(PROVIDERS, configuration=FILE)
    assert options_of(mappings, "eu") == {"shop": 7}
    assert options_of(mappings, "acme") == {}


def test_a_source_that_is_not_known_here_is_mapped_by_its_provider() -> None:
    """The edge has verified it, with a newer file perhaps: its provider's own mapping applies."""
    mappings = Mappings(PROVIDERS, configuration=FILE)
    assert options_of(mappings, "tomorrow") == {}
    assert Mappings(PROVIDERS).of("eu", "acme") is not None
    assert mappings.of("eu", "nobody") is None


def test_what_verified_decides_where_the_files_differ() -> None:
    """A source that has another provider here than where it was verified is mapped with the one that verified it."""
    other = Acme()
    other.name = "other"
    mappings = Mappings({**PROVIDERS, "other": other}, configuration=FILE)
    assert options_of(mappings, "eu", "other") == {}


def test_a_provider_that_signs_its_url_needs_none_here() -> None:
    """Only signatures cover a source's URL, and the edge has checked those."""

    class Signing(Acme):
        def configured(self, options: object) -> Acme:
            """Demand a URL."""
            if not getattr(options, "url", ""):
                raise ValueError("url is required")
            return self

    assert Mappings({"acme": Signing()}, configuration='[sources.eu]\nprovider = "acme"').of("eu", "acme")


def test_a_wrong_file_stops_the_start() -> None:
    """Ingest refuses what the edge refuses, and names the variable."""
    with pytest.raises(ValueError, match=r"^AUTOPAY_SOURCES_FILE: sources\.eu\.provider: must be one of acme$"):
        Mappings(PROVIDERS, configuration='[sources.eu]\nprovider = "nobody"')
