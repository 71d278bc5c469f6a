"""What `autopay up` keeps in its data directory is private, survives restarts, and yields to the environment."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path

import pytest

from autopay_cli import credentials, environment, meshfile
from autopay_cli.failure import Failure
from autopay_cli.meshfile import Mesh

MESH = Mesh(
    edge="http://127.0.0.1:1",
    ingest="127.0.0.1:2",
    ledger="127.0.0.1:3",
    insight="127.0.0.1:4",
    mongo="mongodb://127.0.0.1:5/autopay",
    pids={"edge": [1], "mongod": []},
    hmac_secret="secret",
    api_key="id.secret",
    monitoring_key="key",
)


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_mesh_file_has_exactly_the_documented_keys(tmp_path: Path) -> None:
    """Scripts rely on them."""
    meshfile.write(MESH, tmp_path)
    assert set(json.loads((tmp_path / "mesh.json").read_text())) == {
        "edge",
        "ingest",
        "ledger",
        "insight",
        "mongo",
        "pids",
        "hmac_secret",
        "api_key",
        "monitoring_key",
    }
    assert meshfile.read(tmp_path) == MESH


def test_the_mesh_file_is_private_and_alone(tmp_path: Path) -> None:
    """It is replaced at once, whoever wrote a looser one before, and leaves no temporary file."""
    (tmp_path / "mesh.json").write_text("{}")
    (tmp_path / "mesh.json").chmod(0o644)
    meshfile.write(MESH, tmp_path)
    assert mode(tmp_path / "mesh.json") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["mesh.json"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "Start one with `autopay up`"),
        ("not json", "can't be used"),
        ("{}", "can't be used"),
        (json.dumps({**dataclasses.asdict(MESH), "pids": {"edge": []}}), "has ended"),
    ],
)
def test_without_a_running_mesh_the_sentence_says_what_to_do(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    """Absent, broken and left over are different things."""
    if content is not None:
        (tmp_path / "mesh.json").write_text(content)
    with pytest.raises(Failure, match=sentence):
        meshfile.read(tmp_path)


def test_a_process_that_is_not_of_a_mesh_is_no_leftover(tmp_path: Path) -> None:
    """A process id may belong to somebody else by now."""
    meshfile.write(dataclasses.replace(MESH, pids={"edge": [os.getpid(), 4_194_304]}), tmp_path)
    assert meshfile.leftovers(tmp_path) == []


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """They survive a restart, are long, private and all different."""
    first = credentials.load(tmp_path, {})
    assert credentials.load(tmp_path, {}) == first
    assert len({first.hmac_secret, first.api_key, first.monitoring_key}) == 3
    assert len(first.hmac_secret) == 64
    assert first.api_key.startswith("local.")
    assert mode(tmp_path / "secrets.json") == 0o600


def test_the_environment_s_secrets_win(tmp_path: Path) -> None:
    """The first of several is the one to sign and ask with; the edge gets them all."""
    variables = {"HMAC_SECRET_KEY": "new, old", "EDGE_API_KEYS": "a.1,b.2", "MONITORING_API_KEY": "m"}
    found = credentials.load(tmp_path, variables)
    assert (found.hmac_secret, found.hmac_secrets) == ("new", "new, old")
    assert (found.api_key, found.api_keys) == ("a.1", "a.1,b.2")
    assert found.monitoring_key == "m"


def test_secrets_may_be_files(tmp_path: Path) -> None:
    """NAME_FILE names a file with the value, and an unreadable one is an error."""
    (tmp_path / "hmac").write_text("from a file\n")
    found = credentials.load(tmp_path, {"HMAC_SECRET_KEY_FILE": str(tmp_path / "hmac")})
    assert found.hmac_secret == "from a file"
    with pytest.raises(Failure, match="HMAC_SECRET_KEY_FILE"):
        credentials.load(tmp_path, {"HMAC_SECRET_KEY_FILE": str(tmp_path / "absent")})


def test_the_process_s_environment_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """.env adds what is not set, comments and quotes understood."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("# a comment\nAUTOPAY_TEST_A=file\nexport AUTOPAY_TEST_B='two words'\nAUTOPAY_TEST_C\n")
    monkeypatch.setenv("AUTOPAY_TEST_A", "process")
    found = environment.load(dotenv)
    assert found["AUTOPAY_TEST_A"] == "process"
    assert found["AUTOPAY_TEST_B"] == "two words"
    assert "AUTOPAY_TEST_C" not in found
    assert "AUTOPAY_TEST_B" not in os.environ
