"""Which payments are queued for analysis, and when."""

from __future__ import annotations

import pytest

from services.ledger.analysis import AnalysisState
from services.ledger.analysis_policy import policy
from services.ledger.model import Payment
from services.ledger.settings import LedgerSettings
from tests.fakes.ledger_items import event, refund, stated
from tests.unit.ledger.rig import Rig


async def states(text: str, *, risk: str | None = None, count: int = 1) -> list[AnalysisState | None]:
    """Where the analyses of so many new payments of one risk stand."""
    rig = Rig(selects=policy(text))
    said = None if risk is None else {"score": 0.5, "level": risk, "reasons": [], "model_version": "1"}
    await rig.record(*(stated(f"d-{n}", event(f"T-{n}", risk=said)) for n in range(count)))
    payments: list[Payment] = [rig.payments.get(f"autopay:T-{n}") for n in range(count)]
    return [payment.analysis.state if payment.analysis is not None else None for payment in payments]


@pytest.mark.parametrize(
    ("text", "risk", "state"),
    [
        ("off", "critical", None),
        ("all", None, AnalysisState.QUEUED),
        ("risky", None, None),
        ("risky", "low", None),
        ("risky", "medium", None),
        ("risky", "high", AnalysisState.QUEUED),
        ("risky", "critical", AnalysisState.QUEUED),
        ("sample:0", "critical", None),
        ("sample:1", None, AnalysisState.QUEUED),
    ],
)
async def test_the_policy_decides(text: str, risk: str | None, state: AnalysisState | None) -> None:
    """Only what the policy selects is queued, by the very write that records it."""
    assert await states(text, risk=risk) == [state]


async def test_a_sample_is_a_share_and_the_same_everywhere() -> None:
    """About the wanted share is selected, and every replica selects the same payments."""
    first, second = await states("sample:0.25", count=400), await states("sample:0.25", count=400)
    assert first == second
    assert 70 <= first.count(AnalysisState.QUEUED) <= 130


async def test_a_payment_that_turns_risky_is_queued_then_and_once() -> None:
    """A later event with a high score queues the payment; the next one does not queue it again."""
    rig = Rig(selects=policy("risky"))
    risky = {"score": 0.7, "level": "high", "reasons": [], "model_version": "1"}
    await rig.record(stated("d-1", event("T-1")))
    assert rig.payments.get("autopay:T-1").analysis is None
    await rig.record(stated("d-2", refund("r-1", 1, risk=risky)))
    queued = rig.payments.get("autopay:T-1").analysis
    assert queued is not None
    assert (queued.state, queued.queued_at_ms) == (AnalysisState.QUEUED, rig.now_ms)
    rig.now_ms += 1_000
    await rig.record(stated("d-3", refund("r-2", 1, risk=risky)))
    assert rig.payments.get("autopay:T-1").analysis == queued


@pytest.mark.parametrize("text", ["", "on", "sample", "sample:", "sample:2", "sample:-0.1", "sample:nan", "RISKY"])
def test_a_policy_that_is_none_is_a_wrong_setting(text: str) -> None:
    """A policy that can't be read stops the start, naming the variable."""
    with pytest.raises(ValueError, match=r"LEDGER_ANALYSIS_POLICY: .*must be off, all, risky or sample:P"):
        LedgerSettings.load(LEDGER_ANALYSIS_POLICY=text)
