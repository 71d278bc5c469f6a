"""Who explains, and what is refused at start."""

from __future__ import annotations

import pytest

from services.insight.settings import InsightSettings

TLS = {"INSIGHT_TLS_CERT": "c", "INSIGHT_TLS_KEY": "k", "INSIGHT_TLS_CA": "a"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "INSIGHT_EXPLAINER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("values", "asks"),
    [
        ({}, False),
        ({"GEMINI_API_KEY": "k"}, True),
        ({"GOOGLE_API_KEY": "k"}, True),
        ({"GEMINI_API_KEY": "k", "INSIGHT_EXPLAINER": "rules"}, False),
        ({"GEMINI_API_KEY": "k", "INSIGHT_EXPLAINER": "gemini"}, True),
    ],
)
def test_a_model_explains_where_there_is_a_key(values: dict[str, str], asks: bool) -> None:
    """Unless the rules are wished."""
    settings = InsightSettings.load(**values)
    assert settings.asks_gemini is asks
    assert "k" not in repr(settings.gemini_key)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"INSIGHT_EXPLAINER": "gemini"}, "GEMINI_API_KEY"),
        ({"INSIGHT_GEMINI_ENDPOINT": "localhost:1", "AUTOPAY_ENV": "production", **TLS}, "INSIGHT_GEMINI_ENDPOINT"),
        ({"INSIGHT_GEMINI_ENDPOINT": "http://localhost"}, "INSIGHT_GEMINI_ENDPOINT"),
        ({"INSIGHT_EXPLAIN_LEASE_S": 20.0}, "INSIGHT_EXPLAIN_LEASE_S"),
        ({"GEMINI_MODEL": "a model"}, "GEMINI_MODEL"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(values: dict[str, object], names: str) -> None:
    """One line at start instead of payments that are parked later."""
    with pytest.raises(ValueError, match=names):
        InsightSettings.load(**values)
