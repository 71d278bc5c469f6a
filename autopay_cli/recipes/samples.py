"""An ordinary delivery of each provider, from the vectors files, which an installed package brings along."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autopay_cli.recipes.schemes import recipe_of
from autopay_cli.recipes.signing import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One delivery and how to sign it.

    Attributes:
        name: of the vectors file; most are named like their provider.
        provider: the provider's name.
        recipe: how it signs.
        body: what it sends.
        unsigned: headers that it sends besides, which no signature covers.
        options: the source's configuration that the recipe fits: `url`, `live`, `table`.
    """

    name: str
    provider: str
    recipe: Recipe
    body: bytes
    unsigned: Mapping[str, str]
    options: Mapping[str, Any]


def names() -> Sequence[str]:
    """Return the name of every sample."""
    return sorted(path.stem for path in directory().glob("*.json"))


def load(name: str, *, url: str = "") -> Sample:
    """Return a sample, to be sent to `url`, where the provider signs that.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in names():
        raise KeyError(name)
    table = json.loads((directory() / f"{name}.json").read_text(encoding="utf-8"))
    options = table.get("options", {})
    delivery = table["deliveries"][0]
    return Sample(
        name=name,
        provider=table.get("provider", name),
        recipe=recipe_of(table["signing"], url=url or options.get("url", "")),
        body=content_of(delivery["body"]),
        unsigned=delivery.get("headers", {}),
        options=options,
    )


def content_of(body: object) -> bytes:
    """Return a body as it is sent: text as it stands, anything else as compact JSON."""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def directory() -> Path:
    """Return where the vectors files are: beside the code where it is installed, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "vectors"
    return installed if installed.is_dir() else package.parent / "tests" / "conformance"
