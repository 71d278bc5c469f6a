"""`autopay up` shows a working mesh, says where it is, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from autopay_cli.addresses import is_free
from tests.servers import RunningUp, bare_environment, running_up, start_up, still_running, why_no_mongod

if reason := why_no_mongod():
    pytest.skip(reason, allow_module_level=True)

READY = re.compile(
    r"ready edge=http://127\.0\.0\.1:\d+ ingest=127\.0\.0\.1:\d+ ledger=127\.0\.0\.1:\d+ insight=127\.0\.0\.1:\d+ "
    r"mongo=mongodb://127\.0\.0\.1:\d+/autopay\?replicaSet=rs0"
)


def every_pid(running: RunningUp) -> list[int]:
    """The processes of a mesh."""
    return [pid for pids in running.mesh.pids.values() for pid in pids]


def autopay(*arguments: str, running: RunningUp) -> subprocess.CompletedProcess[str]:
    """Run another command against a mesh."""
    command = [sys.executable, "-m", "autopay_cli", *arguments, "--data-dir", str(running.data)]
    environment = {**bare_environment(), "COLUMNS": "200"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.timed
def test_it_is_ready_within_8_seconds(up: RunningUp) -> None:
    """One line says where everything is, and agrees with mesh.json."""
    assert READY.fullmatch(up.ready_line)
    assert up.ready_s < 8
    found = up.mesh
    services = f"edge={found.edge} ingest={found.ingest} ledger={found.ledger} insight={found.insight}"
    assert up.ready_line == f"ready {services} mongo={found.mongo}"


def test_the_mesh_file_is_private_and_names_every_process(up: RunningUp) -> None:
    """Each process is alive under the id that mesh.json gives it."""
    path = up.data / "mesh.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(up.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((up.data / "mongo").stat().st_mode) == 0o700
    assert set(up.mesh.pids) == {"edge", "ingest", "ledger", "insight", "mongod"}
    assert all(pids for pids in up.mesh.pids.values())
    assert sorted(still_running(every_pid(up))) == sorted(every_pid(up))


def test_the_demonstration_shows_risk_reasons_and_trace(up: RunningUp) -> None:
    """The first payment went through every hop."""
    printed = up.output.read_text()
    assert "200 processed" in printed
    assert re.search(r"risk +(low|medium|high|critical) \(0\.\d\d\)", printed)
    assert re.search(r"[A-Z_]{5,}: \w+ .*\.", printed)
    assert re.search(r"trace +[0-9a-f]{32}", printed)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_works_as_it_is_pasted(up: RunningUp) -> None:
    """Pasted once it records a payment, pasted again it is known already, and the ledger tells both."""
    (line,) = [line for line in up.output.read_text().splitlines() if line.startswith("body=")]
    answers = [
        json.loads(subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout)  # noqa: S607 - any POSIX shell
        for _ in range(2)
    ]
    assert [answer["status"] for answer in answers] == ["processed", "already_processed"]
    shown = json.loads(autopay("tx", "get", answers[0]["tx_id"], "--full", "--json", running=up).stdout)
    assert shown["status"] == "PAYMENT_STATUS_SUCCESS"
    assert shown["amount"] == {"minor_units": "48000", "currency": "EUR", "exponent": 2}
    assert len(shown["events"]) == 1


def test_payments_are_listed_newest_first(up: RunningUp) -> None:
    """As a table for people and a line of JSON each for scripts."""
    assert "demo-" in autopay("tx", "list", running=up).stdout
    lines = autopay("tx", "list", "--json", "--limit", "5", running=up).stdout.splitlines()
    times = [int(json.loads(line)["recorded_at_ms"]) for line in lines]
    assert times == sorted(times, reverse=True)
    assert 1 <= len(times) <= 5


def test_an_unknown_payment_is_one_line(up: RunningUp) -> None:
    """No traceback for what can be expected."""
    answer = autopay("tx", "get", "never-sent", running=up)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1


def test_the_keys_of_the_mesh_file_open_the_edge(up: RunningUp) -> None:
    """The API key reads a payment over HTTP."""
    newest = json.loads(autopay("tx", "list", "--json", "--limit", "1", running=up).stdout)
    request = urllib.request.Request(  # noqa: S310 - an http URL of our own
        f"{up.mesh.edge}/transaction/{newest['tx_id']}", headers={"X-API-Key": up.mesh.api_key}
    )
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 - as above
        assert json.loads(response.read())["tx_id"] == newest["tx_id"]


def test_a_second_mesh_on_the_same_data_is_refused(up: RunningUp) -> None:
    """One line names the process that holds it."""
    process, output = start_up(up.data)
    assert process.wait(20) == 1
    assert output.read_text().startswith("autopay: a mesh runs in ")


def test_doctor_finds_a_running_up_well(up: RunningUp) -> None:
    """Every process answers."""
    answer = autopay("doctor", "--json", running=up)
    states = {finding["subject"]: finding["state"] for finding in json.loads(answer.stdout)}
    assert answer.returncode == 0, answer.stdout
    assert {states[f"{name} running"] for name in ("edge", "ingest", "ledger", "insight")} == {"ok"}


def test_once_shows_one_payment_and_ends(tmp_path: Path) -> None:
    """--once exits 0 and leaves no process and no open port; started again, it finds the first payment."""
    for _ in range(2):
        process, output = start_up(tmp_path / "data", "--once")
        assert process.wait(40) == 0, output.read_text()
        assert len(re.findall(r"^ready ", output.read_text(), re.MULTILINE)) == 1
        assert "200 processed" in output.read_text()
        assert not any(is_served(address) for address in re.findall(r"127\.0\.0\.1:(\d+)", output.read_text()))
    assert sessions_below(tmp_path) == []


def is_served(port: str) -> bool:
    """Whether somebody listens."""
    return not is_free(int(port))


def sessions_below(directory: Path) -> list[int]:
    """The processes whose command line or environment names a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    """Ctrl-C in the terminal reaches `autopay up` alone; it stops the others in order and exits 0."""
    with running_up(tmp_path / "data", "--no-demo") as running:
        pids = every_pid(running)
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(40) == 0
        assert still_running(pids) == []
        assert json.loads((running.data / "mesh.json").read_text())["pids"]["mongod"] == []
        assert "200 processed" not in running.output.read_text()


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    """A drain that takes long is cut short."""
    with running_up(tmp_path / "data", "--no-demo", AUTOPAY_DRAIN_NOTICE_S="30") as running:
        pids = every_pid(running)
        running.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(1)
        running.process.send_signal(signal.SIGINT)
        running.process.wait(10)
        assert still_running(pids) == []


def test_nothing_outlives_a_killed_up_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """After kill -9 every process stops by itself; started again at once, the mesh has its data."""
    with running_up(tmp_path / "data") as running:
        pids = every_pid(running)
        demonstration = json.loads(autopay("tx", "list", "--json", running=running).stdout)
        running.process.kill()
        running.process.wait()
    with running_up(tmp_path / "data", "--no-demo") as again:
        assert still_running(pids) == []
        assert json.loads(autopay("tx", "list", "--json", running=again).stdout) == demonstration


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    """One line says so, mesh.json names the new process, and payments go through again."""
    with running_up(tmp_path / "data", "--no-demo") as running:
        for name in ("ingest", "edge", "mongod"):
            (old,) = running.mesh.pids[name]
            os.kill(old, signal.SIGKILL)
            deadline = 100
            while running.mesh.pids[name] in ([old], []) and deadline:
                deadline -= 1
                still_running([running.process.pid], wait_s=0.1)
            assert running.mesh.pids[name] != [old]
            assert f"{name} was killed by SIGKILL; starting it again in 0.2 s" in running.output.read_text()
        still_running([running.process.pid], wait_s=5)
        answer = autopay("simulate", "--scenario", "valid", "--count", "5", running=running)
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_workers_of_the_edge_are_named_after_their_supervisor(tmp_path: Path) -> None:
    """EDGE_WORKERS goes through to the edge, and mesh.json has its workers' ids."""
    with running_up(tmp_path / "data", EDGE_WORKERS="2") as running:
        still_running([running.process.pid], wait_s=2)
        assert len(running.mesh.pids["edge"]) == 3
        assert "200 processed" in running.output.read_text()


def test_three_members_are_one_replica_set(tmp_path: Path) -> None:
    """--mongo-members 3 starts three, and the connection string names them all."""
    with running_up(tmp_path / "data", "--mongo-members", "3") as running:
        assert len(running.mesh.pids["mongod"]) == 3
        assert running.mesh.mongo.count("127.0.0.1") == 3
        assert "200 processed" in running.output.read_text()


def test_an_outside_mongo_gets_no_demonstration_unasked(mongo_url: str, tmp_path: Path) -> None:
    """With MONGO_URL nothing is written for show, and no mongod started; --demo asks for it."""
    for options, shown in (((), False), (("--demo",), True)):
        process, output = start_up(tmp_path / "data", "--once", *options, MONGO_URL=mongo_url)
        assert process.wait(40) == 0, output.read_text()
        assert f"mongo={mongo_url}" in output.read_text()
        assert ("200 processed" in output.read_text()) is shown
    assert not (tmp_path / "data" / "mongo").exists()
