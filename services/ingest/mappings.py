"""Whose mapping applies to a delivery: its provider's, as its source has it configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers import sources
from providers.contract import Provider

# Only signatures cover a source's URL, and the edge has checked those.
_ANY_URL: Final = "https://edge.invalid"


class Mappings:
    """The providers by source, and by name for sources that are not configured here."""

    def __init__(self, providers: Mapping[str, Provider], *, configuration: str = "") -> None:
        """Map with `providers`, by name, as the text of the sources file configures them.

        Raises:
            ValueError: the file is wrong; the text names the variable and the line or field.
        """
        try:
            known = sources.load(configuration, providers, public_url=_ANY_URL)
        except ValueError as error:
            raise ValueError(f"AUTOPAY_SOURCES_FILE: {error}") from None
        # The edge's file may be newer than ours for a moment: what it verified is mapped with the provider it says.
        unconfigured = sources.load("", providers, public_url=_ANY_URL)
        self._by_provider = {name: each.provider for name, each in unconfigured.items()}
        self._by_source = {(name, each.provider.name): each.provider for name, each in known.items()}

    def of(self, source: str, provider: str) -> Provider | None:
        """Return the provider that maps a delivery, None where there is none of this name."""
        return self._by_source.get((source, provider)) or self._by_provider.get(provider)
