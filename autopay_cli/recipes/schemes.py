"""The ways to sign that a vectors file can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from autopay_cli.recipes.signing import HmacRecipe, Recipe
from autopay_cli.recipes.signing_certificates import CertificateRecipe
from autopay_cli.recipes.signing_items import ItemsRecipe


def recipe_of(table: Mapping[str, Any], *, url: str) -> Recipe:
    """Return the recipe that a file's `signing` describes."""
    return _SCHEMES[table.get("scheme", "hmac")](table, url)


def _hmac(table: Mapping[str, Any], url: str) -> Recipe:
    words = {name: value for name, value in table.items() if name not in {"scheme", "headers"}}
    templates: Mapping[str, str] = table["headers"]
    dated = any("{timestamp}" in template for template in templates.values())
    return HmacRecipe(templates=templates, url=url, dated=dated, **words)


def _items(table: Mapping[str, Any], url: str) -> Recipe:
    del url
    return ItemsRecipe(
        items=table["items"].split("."),
        fields=[path.split(".") for path in table["fields"]],
        into=table["into"].split("."),
        joined_by=table["join"],
        key=table["key"],
        encoding=table["encoding"],
    )


def _certificate(table: Mapping[str, Any], url: str) -> Recipe:
    del url
    return CertificateRecipe(
        content=table["content"], templates=table["headers"], host=table["host"], unsigned=table["unsigned"]
    )


_SCHEMES: Final[Mapping[str, Callable[[Mapping[str, Any], str], Recipe]]] = {
    "hmac": _hmac,
    "hmac-items": _items,
    "rsa-certificate": _certificate,
}
