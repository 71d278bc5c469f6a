"""The model as lines of JSON: exact, versioned, and refused where it is of another version."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.detector import RULES, Scorecard
from services.insight.features import NAMES
from services.insight.memory import EMPTY, learn, mark_of, sums_of
from services.insight.portable import Unreadable, model_line, profile_line, read_model
from services.insight.profile import ProfileState
from services.insight.scorecard import SIZE


@given(st.lists(st.floats(-20, 20), min_size=SIZE, max_size=SIZE), st.integers(0, 2**40))
def test_weights_come_back_to_the_last_bit(weights: list[float], verdicts: int) -> None:
    """What was exported is read as the very same scorecard."""
    card = Scorecard(weights=tuple(weights), verdicts=verdicts)
    assert read_model(model_line(card, sequence=3)) == card


def test_the_model_says_what_it_is() -> None:
    """Versions, thresholds, and every feature with its weight, the rules' own beside it."""
    model = json.loads(model_line(RULES, sequence=7))
    assert (model["format"], model["model_version"], model["sequence"]) == ("model/1", RULES.version, 7)
    assert model["levels_from"] == {"medium": 0.3, "high": 0.6, "critical": 0.85}
    assert [each["name"] for each in model["features"]] == list(NAMES)
    assert all(each["weight"] == each["rule"] for each in model["features"])


def test_a_profile_is_told_by_name_and_exactly() -> None:
    """Every sum of a filled side is there to the last bit, whom it has met as it is, and an empty side is left out."""
    memory = EMPTY
    for number in range(200):
        memory = learn(memory, 1_700_000_000.1 + number * 3_333.3, 3.7, mark_of(number * 77_777), near=number % 3 == 0)
    profile = json.loads(profile_line("a:autopay:A", ProfileState(sequence=9, judged=2, sends=memory)))
    assert (profile["key"], profile["sequence"], profile["judged"]) == ("a:autopay:A", 9, 2)
    assert "receives" not in profile
    sums = sums_of(memory)._asdict()
    told = {name: b64decode(value) if isinstance(value, str) else value for name, value in profile["sends"].items()}
    assert told == sums


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'{"format": "model/2", "features_version": "2"}',
        b'{"format": "model/1", "features_version": "1"}',
        b'{"format": "model/1", "features_version": "2", "features": [], "base": {"weight": 0}, "verdicts": 0}',
        b'{"format": "model/1", "features_version": "2", "features": 3}',
    ],
)
def test_what_is_no_model_of_this_version_is_refused(line: bytes) -> None:
    """Rather than read with features that mean something else."""
    with pytest.raises(Unreadable):
        read_model(line)
