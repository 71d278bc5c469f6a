"""What `autopay up` can't do is said in one line, with a way out, before anything is started."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import bare_environment, why_no_mongod

PORTS = ("--edge", "--ingest", "--ledger", "--insight")


def refused(
    directory: Path, *options: str, prefix: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `autopay up`, which must fail with one line within a few seconds."""
    answer = subprocess.run(
        [*prefix, sys.executable, "-m", "autopay_cli", "up", *options],
        cwd=directory,
        env={**bare_environment(), "PYTHONSAFEPATH": "1", **variables},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("autopay: ")
    assert answer.stderr.count("\n") == 1
    return answer


@pytest.mark.parametrize("option", PORTS)
def test_a_taken_port_is_named(tmp_path: Path, option: str) -> None:
    """The address, and the option that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        # The others take any free port, so that whatever holds a default one on this machine is not named instead.
        others = [word for each in PORTS if each != option for word in (each, "127.0.0.1:0")]
        answer = refused(tmp_path, option, address, *others)
    assert f"can't listen on {address}: it is taken" in answer.stderr
    assert f"{option} HOST:PORT" in answer.stderr
    assert not (tmp_path / ".autopay" / "mesh.json").exists()


def test_a_package_without_its_mongod_names_the_way_out(tmp_path: Path) -> None:
    """The mongod package is there, its binary is not."""
    shadow = tmp_path / "shadow" / "fiftyone" / "db"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()
    answer = refused(tmp_path, *free_ports(), PYTHONPATH=str(tmp_path / "shadow"))
    assert "without its binary" in answer.stderr
    assert "MONGO_URL" in answer.stderr


def test_a_mongod_that_is_not_there_names_the_way_out(tmp_path: Path) -> None:
    """--mongod names a file that does not exist."""
    answer = refused(tmp_path, *free_ports(), "--mongod", "/nowhere/mongod")
    assert "/nowhere/mongod" in answer.stderr
    assert "MONGO_URL" in answer.stderr


@pytest.mark.skipif(shutil.which("setarch") is None, reason="setarch (util-linux) is not installed")
def test_an_unsupported_platform_names_the_way_out(tmp_path: Path) -> None:
    """On a machine that the mongod package has no binary for, MONGO_URL is the way."""
    answer = refused(tmp_path, *free_ports(), prefix=("setarch", "i686"))
    assert "no embedded MongoDB for linux on i686" in answer.stderr
    assert "MONGO_URL" in answer.stderr


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("somewhere", "is no connection string"),
        ("mongodb://", "can't be used"),
        ("mongodb://127.0.0.1:port/x", "can't be used"),
        ("mongodb://127.0.0.1:1/x", "Connection refused"),
        ("mongodb://user:hidden@127.0.0.1:1/x", "mongodb://user:***@127.0.0.1:1/x"),
    ],
)
@pytest.mark.timed
def test_a_bad_mongo_url_is_refused_within_seconds(tmp_path: Path, url: str, sentence: str) -> None:
    """Malformed or unreachable: one line, without the password."""
    started = time.monotonic()
    answer = refused(tmp_path, *free_ports(), MONGO_URL=url)
    assert time.monotonic() - started < 8
    assert sentence in answer.stderr
    assert "hidden" not in answer.stderr


def test_production_is_refused(tmp_path: Path) -> None:
    """Generated secrets and plaintext are for development."""
    answer = refused(tmp_path, *free_ports(), AUTOPAY_ENV="production")
    assert "AUTOPAY_ENV=production" in answer.stderr


def test_a_data_directory_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "file").touch()
    answer = refused(tmp_path, *free_ports(), "--data-dir", str(tmp_path / "file" / "data"))
    assert "--data-dir" in answer.stderr


@pytest.mark.skipif(bool(why_no_mongod()), reason=why_no_mongod() or "mongod")
def test_a_service_that_can_not_start_is_quoted(tmp_path: Path) -> None:
    """A wrong setting is reported in the words of the process that refused it, and everything is stopped."""
    answer = refused(tmp_path, *free_ports(), MAX_WEBHOOK_AGE_SECONDS="soon")
    assert "edge ended with code 2 while starting" in answer.stderr
    assert "MAX_WEBHOOK_AGE_SECONDS" in answer.stderr


def free_ports() -> list[str]:
    """Options that leave every port to the machine."""
    return [word for name in ("edge", "ingest", "ledger", "insight") for word in (f"--{name}", "127.0.0.1:0")]
