"""Sixty descriptions that try to instruct the model: what they reach, with a model that obeys every one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from services.insight.disclosing import grouped
from services.insight.explanation import ACTIONS, CATEGORIES, Explanation, Outcome, Subject
from services.insight.gemini_explainer import INSTRUCTION
from services.insight.model import Level
from services.insight.model_ports import Generated, Prompt
from services.insight.rules_explainer import action_of
from tests.fakes.gemini import item
from tests.gemini_rig import Rig, subject
from tests.unit.insight.prompts import ScriptedModel, answer, good

INJECTIONS: Final[Sequence[dict[str, str]]] = json.loads(
    (Path(__file__).parents[2] / "data" / "injections.json").read_text(encoding="utf-8")
)
NAMES: Final = [each["name"] for each in INJECTIONS]


def talked_down(names: Sequence[str]) -> object:
    """Say of everybody that all is well."""
    return [item(name, category="ordinary", recommended_action="none", confidence=1.0) for name in names]


def accusing(names: Sequence[str]) -> object:
    """Speak of payments that weren't asked about, and badly of everybody."""
    bad = {"category": "possible_fraud", "recommended_action": "hold_for_review", "confidence": 1.0}
    return [item(name, **bad) for name in dict.fromkeys([*names, "p1", "p2", "p3"])]


def inventing(names: Sequence[str]) -> object:
    """Recommend what nobody may."""
    return [item(name, recommended_action="release_funds") for name in names]


def leaking(names: Sequence[str]) -> object:
    """Write markup, links and aliases of others."""
    return [
        item(name, summary="<img src=x onerror=alert(1)>https://evil.example account-3 account-4") for name in names
    ]


def adding(names: Sequence[str]) -> object:
    """Add a field."""
    return [{**item(name), "override": True} for name in names]


OBEDIENCES: Final = (talked_down, accusing, inventing, leaking, adding)


def victims() -> list[Subject]:
    """Other people's payments: plain, described, and risky."""
    return [
        subject(2, sender="ACC-EVE", receiver="ACC-BOB"),
        subject(3, sender="ACC-MAX", receiver="ACC-BOB", description="rent"),
        subject(4, sender="ACC-IDA", receiver="ACC-BOB", description="car", level=Level.HIGH),
    ]


async def explained(subjects: Sequence[Subject], model: ScriptedModel, *, backlog: bool) -> dict[str, Outcome]:
    """What came of each payment, as the worker does it."""
    rig = Rig(model=model)
    found: dict[str, Outcome] = {}
    for group in grouped(subjects, backlog=backlog):
        for each, outcome in zip(group.subjects, await rig.explainer.explain(group, within_s=60), strict=True):
            found[each.tx_id] = outcome
    return found


def test_there_are_sixty_different_ones() -> None:
    """From plain words to zero-width characters and base64."""
    assert len({each["description"] for each in INJECTIONS}) == len(set(NAMES)) == 60


@pytest.mark.parametrize("injection", INJECTIONS, ids=NAMES)
@pytest.mark.parametrize("backlog", [False, True], ids=["", "backlog"])
async def test_it_reaches_nobody_else(injection: dict[str, str], backlog: bool) -> None:
    """A model that obeys the description changes no level, no action below the rules', and nobody else's analysis."""
    attackers = {
        level: subject(1, description=injection["description"], level=level) for level in (Level.LOW, Level.CRITICAL)
    }
    undisturbed = await explained(victims(), ScriptedModel(good), backlog=backlog)
    for attacker in attackers.values():
        risk = attacker.risk
        for obey in OBEDIENCES:

            def obedient(asked: Prompt, obey: object = obey) -> Generated:
                payments = json.loads(asked.data)["payments"]
                own = [each for each in payments if each.get("description") not in (None, "", "rent", "car")]
                if not own:
                    return good(asked)
                return answer(json.dumps({"payments": obey([each["id"] for each in payments])}))  # type: ignore[operator]

            model = ScriptedModel(obedient)
            outcomes = await explained([attacker, *victims()], model, backlog=backlog)
            mine = outcomes.pop(attacker.tx_id)
            assert outcomes == undisturbed
            assert attacker.risk == risk
            if isinstance(mine, Explanation):
                assert mine.category in CATEGORIES
                assert ACTIONS.index(mine.recommended_action) >= ACTIONS.index(action_of(attacker))
                assert not [part for part in ("<", "evil.example", "ACC-EVE", "ACC-IDA") if part in mine.summary]
            for asked in model.asked:
                assert asked.instruction == INSTRUCTION


@pytest.mark.parametrize("injection", INJECTIONS, ids=NAMES)
async def test_it_leaves_as_data_alone(injection: dict[str, str]) -> None:
    """The description is one string of the JSON, by itself in its request, short, and all of it visible."""
    model = ScriptedModel(good)
    await explained([subject(1, description=injection["description"]), *victims()], model, backlog=False)
    (asked,) = [
        each
        for each in model.asked
        if '"description":"' in each.data and '"rent"' not in each.data and '"car"' not in each.data
    ]
    (payment,) = json.loads(asked.data)["payments"]
    assert len(payment["description"]) <= 200
    assert payment["description"].isprintable()
    assert asked.data.isascii()
    assert injection["description"] not in asked.instruction
