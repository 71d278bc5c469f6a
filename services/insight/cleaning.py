"""Text from outside made harmless: what can't be seen goes, what identifies a person is masked."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

# Unassigned, private, surrogate and format characters: zero-width, tags, bidirectional overrides.
_INVISIBLE: Final = frozenset({"Cf", "Cn", "Co", "Cs"})
_BLANK: Final = frozenset({"Cc", "Zl", "Zp", "Zs"})
# Letters that render as nothing and are no format characters: Hangul fillers, a braille blank, selectors.
_FILLERS: Final = re.compile("[\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# A base letter carries no more marks than this in any language we know.
_MARKS_MAX: Final = 3

_EMAIL: Final = re.compile(r"[^\s@<>\"',;:()\[\]]{1,64}@[^\s@<>\"',;:()\[\]]{1,190}")
_IBAN: Final = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[0-9][A-Za-z0-9]{0,2})?"
)
_NUMBER: Final = re.compile(r"(?<!\d)\d(?:[ ./_-]{0,3}\d){8,40}")
# In what a model writes dates and amounts stay; nothing is as long as a card number.
_CARD: Final = re.compile(r"(?<!\d)\d(?:[ ./_-]?\d){12,40}")
_CARD_DIGITS: Final = range(13, 20)
_TAG: Final = re.compile(r"<[^<>]{0,200}>")
_LINK: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.)\S{1,300}", re.IGNORECASE)


def visible(text: str, most: int) -> str:
    """Return text as a person would see it: composed, on one line, without anything invisible, cut to `most`."""
    kept: list[str] = []
    marks = 0
    # Four times the limit is enough to fill it, and bounds the work.
    for character in _FILLERS.sub("", unicodedata.normalize("NFKC", text[: most * 4])):
        category = unicodedata.category(character)
        if category in _INVISIBLE:
            continue
        marks = marks + 1 if category.startswith("M") else 0
        if marks <= _MARKS_MAX:
            kept.append(" " if category in _BLANK else character)
    return " ".join("".join(kept).split())[:most].rstrip()


def masked(text: str, aliases: Mapping[str, str] | None = None) -> str:
    """Return visible text without e-mail addresses, IBANs and long numbers; known accounts become their aliases."""
    text = _EMAIL.sub("[e-mail]", text)
    for account in sorted(aliases or (), key=len, reverse=True):
        word = rf"(?<![A-Za-z0-9]){re.escape(account)}(?![A-Za-z0-9])"
        text = re.sub(word, (aliases or {})[account], text, flags=re.IGNORECASE)
    text = _IBAN.sub("[IBAN]", text)
    return _NUMBER.sub(_number_mask, text)


def plain(text: str, most: int) -> str:
    """Return a model's text: visible, without markup, links or addresses, cut to `most`; not escaped."""
    bare = _EMAIL.sub("[e-mail]", _LINK.sub("[link]", _TAG.sub("", visible(text, most))))
    return _CARD.sub(_number_mask, _IBAN.sub("[IBAN]", bare))[:most]


def printable(text: str, most: int) -> str:
    """Return a model's text for a page: as `plain`, and escaped, cut to `most`."""
    escaped = html.escape(plain(text, most), quote=False)
    if len(escaped) <= most:
        return escaped
    cut = escaped[:most]
    # Not in the middle of an entity.
    start = cut.rfind("&")
    return cut[:start] if start > cut.rfind(";") else cut


def _number_mask(found: re.Match[str]) -> str:
    digits = sum(character.isdigit() for character in found[0])
    return "[card number]" if digits in _CARD_DIGITS else "[number]"
