"""`autopay up --mtls`: the same mesh, every hop under mutual TLS, and the other commands find their way into it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from autopay_cli import readiness
from tests.servers import RunningUp, bare_environment, running_up, why_no_mongod

if reason := why_no_mongod():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """A mesh under mutual TLS for all tests of this file."""
    with running_up(tmp_path_factory.mktemp("secured") / "data", "--mtls") as running:
        yield running


def autopay(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run another command."""
    command = [sys.executable, "-m", "autopay_cli", *arguments]
    environment = {**bare_environment(), "COLUMNS": "200"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


async def test_a_payment_passes_and_plaintext_does_not(up: RunningUp) -> None:
    """The demonstration is accepted; the services answer nobody in plaintext."""
    assert "200 processed" in up.output.read_text()
    for target in (up.mesh.ingest, up.mesh.ledger, up.mesh.insight):
        assert not await readiness.grpc_serves(target)
        assert not await readiness.grpc_serves(target, grpc.ssl_channel_credentials())


def test_the_ledger_is_read_with_a_certificate_of_our_own(up: RunningUp) -> None:
    """`autopay tx` finds its certificate by itself, and `autopay doctor` finds every process answering."""
    data = ("--data-dir", str(up.data))
    (line,) = autopay("tx", "list", "--json", *data).stdout.splitlines()
    assert json.loads(line)["tx_id"].startswith("demo-")
    findings = {each["subject"]: each["state"] for each in json.loads(autopay("doctor", "--json", *data).stdout)}
    assert {findings[f"{name} running"] for name in ("edge", "ingest", "ledger", "insight")} == {"ok"}


def test_certificates_are_renewed_beside_the_running_mesh(up: RunningUp) -> None:
    """`autopay certs --renew` needs no restart: payments go on, and every process says that it has a new one."""
    assert autopay("certs", "--dir", str(up.data / "certs"), "--renew").returncode == 0
    logs = [up.data / "logs" / f"{name}.log" for name in ("edge", "ingest", "ledger", "insight")]
    deadline = time.monotonic() + 10
    while not all("has a new certificate" in log.read_text() for log in logs):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    answer = autopay("simulate", "--scenario", "valid", "--count", "20", "--data-dir", str(up.data))
    assert answer.returncode == 0, answer.stdout


def test_certificates_in_the_environment_are_not_mixed_with_those_of_up(tmp_path: Path) -> None:
    """Without --mtls a process must not get half of a configuration."""
    command = [sys.executable, "-m", "autopay_cli", "up", "--data-dir", str(tmp_path), "--edge", "127.0.0.1:0"]
    ports = [word for name in ("ingest", "ledger", "insight") for word in (f"--{name}", "127.0.0.1:0")]
    environment = {**bare_environment(), "LEDGER_TLS_CERT": "ledger.pem"}
    answer = subprocess.run(
        command + ports, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.returncode == 1
    assert "LEDGER_TLS_CERT is set" in answer.stderr
