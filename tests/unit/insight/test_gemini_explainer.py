"""Explanations by a model: one bad answer spoils no neighbour, and what is printed is safe."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from services.insight.disclosing import Group
from services.insight.explanation import Explanation, Unexplained
from services.insight.model import Level
from services.insight.model_ports import Generated, ModelDown, Prompt
from tests.fakes.gemini import MODEL_VERSION, item
from tests.gemini_rig import Rig, subject
from tests.unit.insight.prompts import ScriptedModel, answer, down, good


def saying(*items: object) -> Callable[[Prompt], Generated]:
    """Answer so."""
    return lambda _: answer(json.dumps({"payments": items}))


def together(count: int) -> Group:
    """Payments that share a request."""
    return Group(subjects=tuple(subject(number) for number in range(1, count + 1)), described=False)


async def test_several_payments_share_a_request() -> None:
    """One request, one explanation each, marked as the model's with its version."""
    model = ScriptedModel(good)
    outcomes = await Rig(model=model).explainer.explain(together(5), within_s=20)
    assert len(model.asked) == 1
    assert all(isinstance(each, Explanation) for each in outcomes)
    assert {(each.source, each.model_version) for each in outcomes if isinstance(each, Explanation)} == {
        ("gemini", MODEL_VERSION)
    }
    assert model.asked[0].output_tokens_max == 5 * 400 + 1_000


@pytest.mark.parametrize(
    "first",
    [
        lambda _: answer("", finish="", blocked="SAFETY"),
        lambda _: answer("{", finish="MAX_TOKENS"),
        saying(item("p1"), item("p9")),
        saying({**item("p1"), "x": 1}),
        saying(item("p2")),
    ],
    ids=["blocked", "truncated", "unknown id", "unknown field", "left out"],
)
async def test_after_a_bad_answer_each_is_asked_for_alone(first: Callable[[Prompt], Generated]) -> None:
    """What spoilt the request for several is found by asking one by one; the good ones are explained."""
    model = ScriptedModel(first, good)
    outcomes = await Rig(model=model).explainer.explain(together(3), within_s=60)
    assert all(isinstance(each, Explanation) for each in outcomes)
    assert all(len(json.loads(asked.data)["payments"]) == 1 for asked in model.asked[1:])


async def test_a_payment_refused_alone_is_given_up() -> None:
    """The model would refuse it again: its outcome is final, its neighbours' aren't touched."""

    def picky(asked: Prompt) -> Generated:
        amounts = [each["amount"] for each in json.loads(asked.data)["payments"]]
        return answer("", finish="", blocked="SAFETY") if "6.66" in amounts else good(asked)

    group = Group(subjects=(subject(1), subject(2, minor_units=666), subject(3)), described=False)
    first, second, third = await Rig(model=ScriptedModel(picky)).explainer.explain(group, within_s=60)
    assert isinstance(first, Explanation)
    assert isinstance(third, Explanation)
    assert second == Unexplained(reason="the model refused the prompt: SAFETY", final=True)


async def test_asked_alone_a_down_model_leaves_the_others_what_they_have() -> None:
    """What one of a group got is kept when the model goes away in the middle."""
    model = ScriptedModel(saying(item("p1")), down("503"))
    first, second = await Rig(model=model).explainer.explain(together(2), within_s=60)
    assert isinstance(first, Explanation)
    assert second == Unexplained(reason="down with 503")


async def test_a_model_that_is_down_is_told_to_the_caller() -> None:
    """Then nothing was wrong with the payments."""
    with pytest.raises(ModelDown):
        await Rig(model=ScriptedModel(down("503"))).explainer.explain(together(2), within_s=20)


async def test_without_time_nobody_is_asked_for_alone() -> None:
    """The lease isn't overrun for a second try."""
    model = ScriptedModel(lambda _: answer("{"))
    outcomes = await Rig(model=model).explainer.explain(together(3), within_s=1)
    assert len(model.asked) == 1
    assert all(isinstance(each, Unexplained) and not each.final for each in outcomes)


async def test_aliases_become_the_payments_own_accounts() -> None:
    """An account that isn't this payment's stays unnamed, whatever the model says."""
    group = Group(subjects=(subject(1), subject(2, sender="ACC-EVE", receiver="ACC-BOB")), described=False)
    words = "From account-1 to account-2, not account-3 nor account-9."
    model = ScriptedModel(saying(item("p1", summary=words), item("p2")))
    first, _ = await Rig(model=model).explainer.explain(group, within_s=20)
    assert isinstance(first, Explanation)
    assert first.summary == "From ACC-ALICE to ACC-SHOP, not another account nor another account."


async def test_what_a_model_writes_is_stripped_and_escaped() -> None:
    """Markup, links and invisible characters don't reach a page, nor does more than the limit."""
    nasty = "<script>x</script>See https://evil.example/x \u202e& \u200b<b"
    long = "&" * 500
    model = ScriptedModel(saying(item("p1", summary=nasty, anomaly_assessment=long)))
    (only,) = await Rig(model=model).explainer.explain(together(1), within_s=20)
    assert isinstance(only, Explanation)
    assert only.summary == "xSee [link] &amp; &lt;b"
    assert len(only.anomaly_assessment) <= 500


async def test_a_model_cannot_talk_a_risk_down() -> None:
    """The level is the detector's, and the action at least the rules'."""
    model = ScriptedModel(saying(item("p1", category="ordinary", recommended_action="none", confidence=1)))
    group = Group(subjects=(subject(1, level=Level.CRITICAL),), described=False)
    (only,) = await Rig(model=model).explainer.explain(group, within_s=20)
    assert isinstance(only, Explanation)
    assert (only.category, only.recommended_action) == ("possible_fraud", "hold_for_review")
