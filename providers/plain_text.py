"""Free text from strangers, made plain: no markup, no control characters, nothing invisible."""

from __future__ import annotations

import re
from typing import Final

_SPACES: Final = re.compile(r"[\t-\r\x85\u2028\u2029]")
# Control characters, and what no renderer shows: zero-width and bidirectional marks, fillers, variation
# selectors, tag characters. They hide text from a person that a model or a search still reads.
_INVISIBLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_TAG: Final = re.compile(r"<[A-Za-z/!?][^<>]*+>")
# What is left of tags inside tags must not join up to a new one. Only a run's first `<` begins a match, and the run is
# never given back: otherwise a body of nothing but `<` takes minutes.
_TAG_START: Final = re.compile(r"(?<!<)<++(?=[A-Za-z/!?])")


def clean(text: str) -> str:
    """Return the text without markup, control and invisible characters, in time linear in its length.

    Raises:
        ValueError: the text holds half of a surrogate pair, which is no character.
    """
    if not (text.isascii() and text.isprintable()):
        if _SURROGATE.search(text) is not None:
            raise ValueError("must be valid Unicode")
        # Before the tags: `<` and `script>` with something invisible between them are a tag once it is gone.
        text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    if "<" in text:
        text = _TAG_START.sub("", _TAG.sub("", text))
    return text.strip()
