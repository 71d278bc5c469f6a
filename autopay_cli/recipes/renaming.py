"""Payments of a provider that nobody has seen yet: those of its sample, under ids made up for each."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from autopay_cli.recipes.samples import Message, Sample

# What is made up of an id's end, and what an id may have at least to be found inside other text, as in a link.
_FRESH_CHARACTERS: Final = 12
_TELLING_CHARACTERS: Final = 9
_END: Final = re.compile(rf"[A-Za-z0-9]{{0,{_FRESH_CHARACTERS}}}$").search


class Renaming:
    """Gives the payment of a sample new ids; one seed always makes the same choices, and never the same ids."""

    def __init__(self, sample: Sample, *, seed: int | None) -> None:
        """Rename what names the payment of `sample`."""
        self._sample = sample
        self._random = random.Random(seed)  # noqa: S311 - traffic, no secret
        self._ids = random.Random()  # noqa: S311 - the same

    def message(self) -> Message:
        """Return the ordinary delivery, of another payment than ever before."""
        [renamed] = self._renamed([self._sample.message])
        return renamed

    def life(self) -> Sequence[Message]:
        """Return a whole life, of another payment than ever before."""
        return self._renamed(self._sample.life)

    def choice(self, options: Sequence[Any]) -> Any:
        """Return one of the options."""
        return self._random.choice(options)

    def shuffle(self, items: list[Any]) -> None:
        """Mix items."""
        self._random.shuffle(items)

    def _renamed(self, messages: Sequence[Message]) -> Sequence[Message]:
        names = {old: self._fresh(old) for old in sorted(self._sample.ids, key=_by_length)}
        return [Message(content=_replaced(each.content, names), unsigned=each.unsigned) for each in messages]

    def _fresh(self, old: str) -> str:
        """Return an id like an old one, whose end is other digits, and more of them where it is short."""
        place = _END(old).start()  # type: ignore[union-attr]  # an empty end is one, too
        count = len(old) - place if len(old) - place >= _TELLING_CHARACTERS else _FRESH_CHARACTERS
        # What is a number may not begin with a zero.
        return old[:place] + "".join([self._ids.choice("123456789"), *self._ids.choices("0123456789", k=count - 1)])


def _by_length(text: str) -> tuple[int, str]:
    """Order the longest first: one id may begin with another."""
    return -len(text), text


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, names) for each in value]
    if isinstance(value, str):
        return names[value] if value in names else _inside(value, names)
    if type(value) is int and str(value) in names:
        return int(names[str(value)])
    return value


def _inside(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if len(old) >= _TELLING_CHARACTERS and old in text:
            text = text.replace(old, new)
    return text
