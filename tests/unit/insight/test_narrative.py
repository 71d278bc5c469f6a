"""No sentence of a report holds a number that isn't among its figures."""

from __future__ import annotations

import pytest

from services.insight.narrative import RulesNarrator, checked, holds, shown_in
from services.insight.report_model import Narrative, Report
from services.insight.reporting import Reporter
from tests.fakes.figures import PERIOD, MemoryFigures


@pytest.fixture
async def report() -> Report:
    """A report of made-up figures."""
    return await Reporter(MemoryFigures()).report(PERIOD)


async def test_the_rules_say_only_figures(report: Report) -> None:
    """Every sentence of the rules survives its own check."""
    told = RulesNarrator().tell(report)
    assert checked(told, report) == told
    assert any("9,303" in sentence for sentence in told.sentences)


@pytest.mark.parametrize(
    "sentence",
    [
        "9,303 payments were recorded.",
        "9303 payments were recorded.",
        "9’303 payments, 100.0 % more.",
        "100 percent more.",
        "\uff19\uff13\uff10\uff13 payments.",
        "From 2027-01-30 to 2027-01-31 00:00.",
        "The busiest hour began at 21:00.",
        "No number stands here.",
        "One of them was large.",
        "Three currencies were used, 44 of medium risk.",
        "268703.91 EUR, as it stands.",
    ],
)
async def test_a_figure_in_any_form_stays(report: Report, sentence: str) -> None:
    """Grouped or not, in other digits, as a date or in a word: what the report shows may be said."""
    assert holds(sentence, shown_in(report))


@pytest.mark.parametrize(
    "sentence",
    [
        "9,304 payments were recorded.",
        "About 9300 payments.",
        "93.03 % of them.",
        "9.303 payments.",
        "9,30 payments.",
        "1.234.567 EUR.",
        "\u0669\u0663\u0660\u0664 payments.",
        "Half of them failed.",
        "Volume doubled.",
        "A dozen of them.",
        "Nearly a million EUR.",
        "Seventeen failed.",
        "Eleven failed.",
        "\u00bd of them.",
        "\u2163 of them.",
        "It is tenfold.",
        "It rose by 11 %.",
        "On January 30.",
        "44 % are of medium risk.",
        "100 of them.",
        "On 2027-01-29, or 2027-02-30.",
        "At 21:30.",
    ],
)
async def test_any_other_number_takes_its_sentence_away(report: Report, sentence: str) -> None:
    """Rounded, computed, vague or in words: a number that can't be looked up isn't said."""
    assert not holds(sentence, shown_in(report))
    kept = checked(Narrative(sentences=(f"All is well. {sentence} That is all.",), author="m"), report)
    assert "".join(kept.sentences).replace(" ", "").startswith("Alliswell.")
    assert sentence not in kept.sentences


async def test_a_narrative_is_bounded(report: Report) -> None:
    """A model that goes on and on is cut off."""
    kept = checked(Narrative(sentences=("Fine.",) * 50 + ("x" * 500,), author="m"), report)
    assert len(kept.sentences) == 12


async def test_nothing_recorded_is_said_so() -> None:
    """An empty period has a sentence, too."""
    empty = await Reporter(MemoryFigures(empty=True)).report(PERIOD)
    assert empty.narrative.sentences == ("No payment was recorded in this period.",)
