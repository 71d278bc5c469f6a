"""Deliveries of each provider, from the vectors files, which an installed package brings along."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autopay_cli.recipes.schemes import recipe_of
from autopay_cli.recipes.signing import Recipe

_TELLING_CHARACTERS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a provider sends.

    Attributes:
        content: JSON, or text that is sent as it stands.
        unsigned: headers that it sends besides, which no signature covers.
    """

    content: Any
    unsigned: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a provider sends, and how to sign it.

    Attributes:
        name: of the vectors file; most are named like their provider.
        provider: the provider's name.
        recipe: how it signs.
        message: an ordinary delivery.
        life: deliveries of one payment, in order: the most that the file has of one.
        ids: how these name the payment and what belongs to it.
        options: the source's configuration that the recipe fits: `url`, `live`, `table`.
    """

    name: str
    provider: str
    recipe: Recipe
    message: Message
    life: Sequence[Message]
    ids: frozenset[str]
    options: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """The ordinary delivery, as bytes."""
        return content_of(self.message.content)

    @property
    def unsigned(self) -> Mapping[str, str]:
        """Its headers that no signature covers."""
        return self.message.unsigned


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
    options, tables = table.get("options", {}), table["deliveries"]
    contents = contents_of(tables)
    messages = {
        each["name"]: Message(content=contents[each["name"]], unsigned=each.get("headers", {})) for each in tables
    }
    first = messages[tables[0]["name"]]
    courses = [each["deliveries"] for each in table.get("sequences", ())]
    return Sample(
        name=name,
        provider=table.get("provider", name),
        recipe=recipe_of(table["signing"], url=url or options.get("url", "")),
        message=first,
        life=[messages[each] for each in max(courses, key=len)] if courses else [first],
        ids=frozenset(filter(None, _ids(tables))),
        options=options,
    )


def contents_of(tables: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what each delivery of a file holds, by its name: stated, or like an earlier one but for some values.

    Raises:
        ValueError: two have one name.
    """
    contents: dict[str, Any] = {}
    for table in tables:
        name = table["name"]
        if name in contents:
            raise ValueError(f"two deliveries are called {name!r}")
        content = deepcopy(contents[table["like"]]) if "like" in table else table["body"]
        for path, value in table.get("with", {}).items():
            holder, step = _holder(content, path)
            holder[step] = value
        for path in table.get("without", ()):
            holder, step = _holder(content, path)
            del holder[step]
        contents[name] = content
    return contents


def _holder(value: Any, path: str) -> tuple[Any, Any]:
    """Return what holds the end of a dotted path, and where in it."""
    *before, last = path.split(".")
    for step in before:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value, int(last) if isinstance(value, list) else last


def _ids(tables: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what names a payment, and what names its events and objects where it is long enough to be nothing else."""
    for event in (event for table in tables for event in table.get("events", ())):
        yield event["tx_id"]
        yield from event.get("aliases", ())
        for each in (event.get("event_id", ""), event.get("object_id", "")):
            if len(each) >= _TELLING_CHARACTERS:
                yield each


def content_of(body: object) -> bytes:
    """Return a body as it is sent: text as it stands, anything else as compact JSON."""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def directory() -> Path:
    """Return where the vectors files are: beside the code where it is installed, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "vectors"
    return installed if installed.is_dir() else package.parent / "tests" / "conformance"
