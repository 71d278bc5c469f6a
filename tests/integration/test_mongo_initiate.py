"""The script beside a new mongod makes the set, its administrator and our users, and may be run again."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.secure_mongo import SecureMongo, running_secure_mongo
from tests.servers import why_no_mongod

SCRIPTS = Path(__file__).resolve().parents[2] / "deploy/mongodb"
PASSWORDS = {"autopay-ledger": "ledger-password", "autopay-insight": "insight-password"}


def initiate(secure: SecureMongo, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run it as a pod would, where the two scripts lie side by side."""
    monkeypatch.syspath_prepend(SCRIPTS)
    lines: list[str] = importlib.import_module("initiate").initiate(
        [f"localhost:{secure.port}"], authority=str(secure.authority), admin_password="ad/min", passwords=PASSWORDS
    )
    return lines


def test_a_new_set_gets_its_users_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing to a set that wants a user of everybody; run again it updates and breaks nothing."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    with running_secure_mongo(tmp_path, bare=True) as secure:
        made = initiate(secure, monkeypatch)
        assert "user autopay-ledger: made" in made
        assert "user autopay-ledger: updated" in initiate(secure, monkeypatch)
        url = secure.url("autopay-ledger", PASSWORDS["autopay-ledger"]).replace("127.0.0.1", "localhost")
        with MongoClient[dict[str, Any]](url) as client:
            client["autopay"]["transactions"].insert_one({"_id": "autopay:T-1"})
            with pytest.raises(OperationFailure, match="not authorized"):
                client["autopay"]["transactions"].delete_one({"_id": "autopay:T-1"})
        anybody = url.replace(f"autopay-ledger:{PASSWORDS['autopay-ledger']}@", "")
        with MongoClient[dict[str, Any]](anybody) as client, pytest.raises(OperationFailure, match="authentication"):
            client["autopay"]["transactions"].find_one()
