"""What is left of free text."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.plain_text import clean


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Rent for May", "Rent for May"),
        ("  spaces around ", "spaces around"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("bell\a and nul\0", "bell and nul"),
        ("<b>bold</b> move", "bold move"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<<b>script>alert(1)", "script>alert(1)"),
        ("<scr\u200bipt>x", "x"),
        ("<\nscript>x", "< script>x"),
        ("<img src=x onerror=alert(1)", "img src=x onerror=alert(1)"),
        ("<!-- note -->x", "x"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a <3 b", "a <3 b"),
        ("grüße €, 日本語, مرحبا, 🙂", "grüße €, 日本語, مرحبا, 🙂"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\u202eevil\u202c \u2066isolate\u2069", "evil isolate"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("hidden\ufe01\U000e0101", "hidden"),
        ("soft\xadhyphen \u061cmark", "softhyphen mark"),
        ("line\u2028separator\x85", "line separator"),
    ],
)
def test_text_is_made_plain(text: str, plain: str) -> None:
    """Markup and what can't be seen are gone; what can be read stays."""
    assert clean(text) == plain


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_nothing_that_opens_markup_or_controls_is_left(text: str) -> None:
    """Whatever comes in, no `<` stands before a letter, and no control or bidirectional character remains."""
    plain = clean(text)
    after = dict.fromkeys(plain[place + 1 : place + 2] for place, char in enumerate(plain) if char == "<")
    assert not any(char.isascii() and (char.isalpha() or char in "/!?") for char in after if char)
    assert not any(unicodedata.category(char) == "Cc" for char in plain)
    assert clean(plain) == plain


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_refused(text: str) -> None:
    """A lone surrogate can't be stored or sent."""
    with pytest.raises(ValueError, match="Unicode"):
        clean(text)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", ["<" * 200_000, "<a" * 100_000, "<a" * 50_000 + ">" * 50_000, "\u200b" * 200_000])
def test_cleaning_takes_linear_time(text: str) -> None:
    """A hostile description can't hold the process up."""
    started = time.perf_counter()
    clean(text)
    assert time.perf_counter() - started < 1
