"""Text from outside: what is invisible goes, what identifies somebody is masked, markup doesn't survive."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.insight.cleaning import masked, printable, visible


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("two\tlines\r\nand  more", "two lines and more"),
        ("z\u200be\u200dr\u2060o\ufeff", "zero"),
        ("tag\U000e0069\U000e0067", "tag"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("bell\x07\x00\x9b", "bell"),
        ("\uff14\uff11", "41"),
        ("fi\u3164ller\u2800", "filler"),
        ("sel\ufe0fector\U000e0101", "selector"),
        ("private\ue000\U000f0000", "private"),
        ("lone\ud800", "lone"),
        ("\u0915\u094d\u0937\u093f", "\u0915\u094d\u0937\u093f"),
    ],
)
def test_what_cannot_be_seen_goes(raw: str, shown: str) -> None:
    """Control, format, tag, bidirectional, private and filler characters are no part of what a person reads."""
    assert visible(raw, 100) == shown


def test_marks_are_not_piled_up() -> None:
    """A letter keeps three marks, which is more than any language puts on one."""
    assert visible("a" + "\u0316" * 50, 100) == "a" + "\u0316" * 3


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_visible_text_is_bounded_and_has_no_hidden_character(text: str) -> None:
    """Whatever comes in, at most so many characters come out, none of them invisible, none a line break."""
    out = visible(text, 80)
    assert len(out) <= 80
    assert not {unicodedata.category(each) for each in out} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("card 4111 1111 1111 1111 thanks", "card [card number] thanks"),
        ("4111-1111-1111-1111", "[card number]"),
        ("4111.1111.1111.1111", "[card number]"),
        ("x378282246310005y", "x[card number]y"),
        ("call 0171 / 123 45 67", "call [number]"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [IBAN]"),
        ("gb29nwbk60161331926819.", "[IBAN]."),
        ("mail a.b+c@example.co.uk now", "mail [e-mail] now"),
        ("from ACC-ALICE for acc-alice, not XACC-ALICE", "from account-1 for account-1, not XACC-ALICE"),
        ("invoice 2026-118, 3 items", "invoice 2026-118, 3 items"),
    ],
)
def test_what_identifies_somebody_is_masked(raw: str, shown: str) -> None:
    """Card numbers, IBANs, e-mail addresses, long numbers and the payment's own accounts don't leave."""
    assert masked(raw, {"ACC-ALICE": "account-1"}) == shown


@pytest.mark.parametrize("raw", ["\uff14\uff11\uff11\uff11" * 4, "4111\u200b1111\u200b1111\u200b1111"])
def test_disguised_numbers_are_masked(raw: str) -> None:
    """A card number in full-width digits or with invisible characters inside is still one."""
    assert masked(visible(raw, 200)) == "[card number]"


@pytest.mark.parametrize("raw", ["1 " * 250, "a@" * 250, "GB29 " * 100, "<" * 500, "www." * 125])
def test_no_text_makes_masking_slow(raw: str) -> None:
    """Each pattern is bounded: five hundred hostile characters take well under a tenth of a second."""
    started = time.process_time()
    masked(raw)
    printable(raw, 500)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("<b>bold</b> & <i>so on", "bold &amp; so on"),
        ("a < b > c", "a  c"),
        ("1 < 2", "1 &lt; 2"),
        ("see https://evil.example/x?y=1 now", "see [link] now"),
        (
            "write to a@evil.example, GB29NWBK60161331926819 or 4111111111111111",
            "write to [e-mail], [IBAN] or [card number]",
        ),
        ("12,345.67 EUR on 2026-11-26 10:00:00", "12,345.67 EUR on 2026-11-26 10:00:00"),
        ("javascript://x WWW.EVIL.EXAMPLE", "[link] [link]"),
    ],
)
def test_a_models_text_is_no_markup(raw: str, shown: str) -> None:
    """Tags and links are taken out, and what could begin markup is escaped."""
    assert printable(raw, 100) == shown


def test_an_escaped_character_is_not_cut_in_two() -> None:
    """The limit holds for the escaped text and never leaves half an entity."""
    out = printable("&" * 20, 13)
    assert out == "&amp;&amp;"
