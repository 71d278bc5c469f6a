"""The URL of MongoDB holds a password, which nothing prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.insight.adapters import mongo as insight_mongo
from services.insight.settings import InsightSettings
from services.ledger.adapters import mongo as ledger_mongo
from services.ledger.settings import LedgerSettings

Connect = Callable[[str], Any]


def _ledger(url: str) -> Any:
    return ledger_mongo.connect(url, pool_min=0, pool_max=1, budget_s=1)


def _insight(url: str) -> Any:
    return insight_mongo.connect(url, pool_min=0, pool_max=1)


@pytest.mark.parametrize("settings", [LedgerSettings, InsightSettings])
def test_settings_do_not_print_it(
    settings: type[LedgerSettings | InsightSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However settings are printed, a log line or a traceback, the password is not in it."""
    monkeypatch.setenv("MONGO_URL", "mongodb://user:hunter2@127.0.0.1/autopay")
    loaded = settings.load()
    assert loaded.mongo_url.get_secret_value().count("hunter2") == 1
    for printed in (repr(loaded), str(loaded), str(loaded.model_dump()), loaded.model_dump_json()):
        assert "hunter2" not in printed


@pytest.mark.parametrize("connect", [_ledger, _insight])
@pytest.mark.parametrize(
    "url", ["mongodb://user:hunter2/x@127.0.0.1/db", "mongodb://user:hunter2@[::1/db", "mongodb://user:hun@ter2@h:x/db"]
)
def test_a_wrong_one_is_refused_without_its_parts(connect: Connect, url: str) -> None:
    """A password that was not escaped may stand anywhere in what the driver says is wrong."""
    with pytest.raises(ValueError, match="MONGO_URL is not a MongoDB URL: it holds a password") as refused:
        connect(url)
    assert "hun" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("connect", [_ledger, _insight])
def test_without_a_password_what_is_wrong_is_said(connect: Connect) -> None:
    """Nothing is hidden where there is nothing to hide."""
    with pytest.raises(ValueError, match="Port contains non-digit characters"):
        connect("mongodb://127.0.0.1:port/db")
