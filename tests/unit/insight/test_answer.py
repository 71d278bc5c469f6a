"""A model's answer counts only in exactly the shape asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.insight.answer import Unusable, read
from tests.fakes.gemini import item


def text(*items: object, **more: object) -> str:
    """An answer of these items."""
    return json.dumps({"payments": list(items), **more})


def test_a_good_answer_is_read() -> None:
    """Each payment's verdict comes under its id; one may be missing."""
    verdicts = read(text(item("p2"), item("p1", confidence=1)), {"p1", "p2", "p3"})
    assert {name: verdict.confidence for name, verdict in verdicts.items()} == {"p1": 1.0, "p2": 0.8}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"payments": {}}',
        text(item("p1"))[:-5],
        text(item("p1")) + "x",
        "```json\n" + text(item("p1")) + "\n```",
        text(item("p1"), extra=1),
        text(item("p1"), item("p1")),
        text(item("p9")),
        text("p1"),
        text({**item("p1"), "override": True}),
        text({key: value for key, value in item("p1").items() if key != "category"}),
        '{"payments": [], "payments": []}',
        text(item("p1")).replace("0.8", "NaN"),
        text(item("p1")).replace("0.8", "1e999"),
        "[" * 60_000,
        " " * 70_000,
    ],
)
def test_an_answer_of_another_shape_is_refused_whole(answer: str) -> None:
    """Unknown, missing or doubled fields and ids, and what is no JSON, spoil the answer."""
    with pytest.raises(Unusable):
        read(answer, {"p1"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": -0.01},
        {"confidence": 1.01},
        {"confidence": True},
        {"confidence": "0.5"},
        {"confidence": None},
        {"category": "safe"},
        {"category": ["ordinary"]},
        {"recommended_action": "release_funds"},
        {"recommended_action": "NONE"},
        {"summary": ""},
        {"summary": " \n"},
        {"summary": "x" * 501},
        {"anomaly_assessment": 7},
        {"id": 1},
        {"id": None},
    ],
)
def test_a_field_out_of_its_range_is_refused(wrong: dict[str, Any]) -> None:
    """Numbers, words and lengths hold what was asked for, or the answer doesn't count."""
    with pytest.raises(Unusable) as refused:
        read(text({**item("p1"), **wrong}), {"p1"})
    assert not any(
        isinstance(value, str) and len(value) > 3 and value in str(refused.value) for value in wrong.values()
    )
