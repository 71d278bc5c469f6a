"""`autopay sources`: what the edge would start with, and what is wrong with it, without showing a secret."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autopay_cli.__main__ import application
from autopay_cli.failure import Failure
from mesh.settings import environment_without
from tests.secret_mounts import write

FILE = '[sources.shop-eu]\nprovider = "stripe"\nmode = "test"\n'


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run away from any `.env`, without any setting."""
    monkeypatch.chdir(tmp_path)
    kept = environment_without("EDGE_", "AUTOPAY_", "HMAC_", "WEBHOOK_", "MONITORING_", "MAX_WEBHOOK_")
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)


def run(*arguments: str, **variables: str) -> Result:
    """Run the command with these variables."""
    return CliRunner().invoke(application(), ["sources", *arguments], env=variables)


def wrong(**variables: str) -> list[str]:
    """Return what `check` finds wrong; it exits 1 exactly when there is something."""
    answer = run("check", "--json", **variables)
    found: list[str] = json.loads(answer.stdout)["wrong"]
    assert answer.exit_code == (1 if found else 0)
    return found


def test_sources_are_listed_with_the_ids_of_their_secrets(tmp_path: Path) -> None:
    """Each source says its provider, path, mode and key ids; the secrets themselves are nowhere."""
    write(tmp_path / "secrets", {"shop-eu/2026-01": "hunter2"})
    (tmp_path / "sources.toml").write_text(FILE)
    variables = {
        "AUTOPAY_SOURCES_FILE": str(tmp_path / "sources.toml"),
        "EDGE_SECRETS_DIR": str(tmp_path / "secrets"),
        "HMAC_SECRET_KEY": "hunter3",
        "EDGE_PUBLIC_URL": "https://pay.example",
    }
    answer = run("list", "--json", **variables)
    rows: Mapping[str, dict[str, object]] = {row["source"]: row for row in json.loads(answer.stdout)}
    assert rows["shop-eu"] == {
        "source": "shop-eu",
        "provider": "stripe",
        "path": "/webhooks/shop-eu",
        "url": "https://pay.example/webhooks/shop-eu",
        "mode": "test",
        "keys": ["2026-01"],
        "declared": True,
        "on": True,
    }
    assert (rows["autopay"]["on"], rows["autopay"]["path"]) == (True, "/webhooks/payments")
    assert rows["stripe"]["on"] is False
    table = run("list", **variables).stdout
    assert "shop-eu" in table
    assert "hunter" not in table + answer.stdout


def test_a_dotenv_is_read_as_up_reads_it(tmp_path: Path) -> None:
    """What `autopay up` would take from `.env` counts, and this process's own environment stays as it was."""
    (tmp_path / ".env").write_text("WEBHOOK_SECRET_STRIPE=hunter2\n")
    rows = {row["source"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["stripe"]["on"] is True
    assert "WEBHOOK_SECRET_STRIPE" not in os.environ


def test_nothing_wrong_is_said_in_a_line() -> None:
    """A good configuration exits 0 and says which sources are active."""
    assert wrong(HMAC_SECRET_KEY="hunter2") == []
    assert "autopay (2)" in run("check", HMAC_SECRET_KEY="one,two").stdout


def test_what_is_wrong_is_said_in_sentences(tmp_path: Path) -> None:
    """A source without a secret, a directory without a source, no source at all: each has its sentence."""
    write(tmp_path / "secrets", {"tomorrow/a": "x"})
    found = wrong(AUTOPAY_SOURCES=FILE, EDGE_SECRETS_DIR=str(tmp_path / "secrets"))
    assert [sentence.split()[2] for sentence in found] == ["shop-eu", "tomorrow", "has"]
    assert "WEBHOOK_SECRET_SHOP_EU" in found[0]
    assert str(tmp_path / "secrets" / "shop-eu") in found[0]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"AUTOPAY_SOURCES": "[sources.a]"}, "AUTOPAY_SOURCES_FILE: sources.a.provider: is required."),
        ({"AUTOPAY_SOURCES_FILE": "/nowhere"}, "/nowhere"),
        ({"WEBHOOK_SECRET_STRPE": "x"}, "WEBHOOK_SECRET_STRPE: there is no source of this name."),
        ({"HMAC_SECRET_KEY": "x", "WEBHOOK_SECRET_STRIPE": "x"}, "have the same secret"),
        ({"EDGE_SECRETS_DIR": "/nowhere"}, "EDGE_SECRETS_DIR: there is no directory /nowhere."),
    ],
)
def test_what_would_stop_the_edge_is_its_own_sentence(variables: dict[str, str], named: str) -> None:
    """`check` says what the edge would say at its start; `list` fails with it."""
    [sentence] = wrong(**variables)
    assert named in sentence
    assert isinstance(run("list", **variables).exception, Failure)


def test_a_secret_that_its_provider_never_gave_is_found() -> None:
    """A delivery is signed with each secret and verified: a key cut short or pasted from elsewhere shows at once."""
    good = {
        "HMAC_SECRET_KEY": "mine",
        "WEBHOOK_SECRET_STANDARDWEBHOOKS": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "WEBHOOK_SECRET_ADYEN": "AB" * 32,
        "WEBHOOK_SECRET_SQUARE": "x" * 22,
        "EDGE_PUBLIC_URL": "https://pay.example",
    }
    assert wrong(**good) == []
    [sentence] = wrong(WEBHOOK_SECRET_ADYEN="hunter2")
    assert "of adyen verifies nothing" in sentence
    assert "hunter2" not in sentence


def test_an_unreadable_secret_is_named(tmp_path: Path) -> None:
    """An empty file in the directory is what `check` finds before a rotation does."""
    write(tmp_path / "secrets", {"stripe/a": ""})
    [sentence] = wrong(EDGE_SECRETS_DIR=str(tmp_path / "secrets"))
    assert sentence == f"{tmp_path / 'secrets' / 'stripe' / 'a'} is empty."
