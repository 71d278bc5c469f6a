"""What docs/providers.md shows and lists is what the providers do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autopay_cli.recipes.signing import HmacRecipe
from providers import registry, sources
from providers.contract import Provider, Refused, Secret, Window
from tests.conformance import vectors

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "providers.md").read_text()
SECRET = Secret("documented", "a-secret-that-the-partner-gave-us")


def block(language: str, number: int = 0) -> str:
    """A block of the document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[number]  # type: ignore[no-any-return]  # of one group


def rows() -> dict[str, list[str]]:
    """The rows of the table of providers, by name."""
    section = TEXT.split("## The providers", 1)[1].split("\n\n| provider | payment", 1)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"
    ]
    return {row[0].strip("`"): row[1:] for row in cells}


def partner() -> Provider:
    """The documented source's provider."""
    return sources.load(block("toml"), registry.load())["partner"].provider


def test_the_example_is_a_source_that_works() -> None:
    """The documented file, signed and sent as its sender is documented to, gives the documented event."""
    provider, body = partner(), block("json").encode()
    recipe = HmacRecipe(
        content="{timestamp}.{body}",
        templates={"X-Partner-Signature": "v1={signature}", "X-Partner-Time": "{timestamp}"},
        dated=True,
    )
    request = recipe.sign(body, SECRET.value, at=1_767_225_605)
    for age_s in (0, 600):
        now_s = 1_767_225_605 + age_s
        assert provider.verify(body, request.lookup, [SECRET], now_s=now_s, window=Window()).key_id == "documented"
    with pytest.raises(Refused):
        provider.verify(body + b" ", request.lookup, [SECRET], now_s=1_767_225_605, window=Window())
    (event,) = provider.map(body, {})
    told: dict[str, Any] = json.loads(block("json", 1))
    assert event.kind.name.lower() == told.pop("kind")
    assert list(event.aliases) == told.pop("aliases")
    assert {name: getattr(event, name) for name in told} == told
    assert (provider.acknowledgement.body, provider.acknowledgement.content_type) == (b"[accepted]", "text/plain")


def test_what_is_listed_is_there() -> None:
    """The table promises no provider that can't be configured."""
    assert set(rows()) <= set(registry.load())


@pytest.mark.parametrize("name", sorted(set(rows()) - {"autopay", "hmac"}))
def test_the_table_says_what_the_provider_does(name: str) -> None:
    """Headers, window and acknowledgement of the table are those of the vectors and of the provider."""
    header, _, window, answered = rows()[name]
    file = vectors.load(name)
    # A family of headers is written with its common beginning once.
    endings = [each.lower().removeprefix("paypal-transmission") for each in file.recipe.headers]
    assert all(each in header.lower() for each in endings)
    assert (window != "none") == file.recipe.dated
    assert answered == f"`{file.provider.acknowledgement.body.decode()}`"


def test_every_setting_of_hmac_is_explained() -> None:
    """Each setting that is taken is in a table: those of the scheme, of the fields, and the kinds."""
    from providers import _hmac_settings as settings  # noqa: PLC0415 - what only this test looks into

    explained = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (.*?) \|", TEXT, re.MULTILINE))))
    listed = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert settings._KEYS - {"fields"} <= explained
    assert set(settings._FIELDS) <= explained
    assert set(settings._KINDS) <= listed
