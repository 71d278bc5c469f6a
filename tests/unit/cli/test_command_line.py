"""The command line starts fast, imports little, and fails in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("aiohttp", "google.generativeai", "google.protobuf", "grpc", "motor", "pydantic", "pymongo", "rfc8785")


def autopay(*arguments: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory."""
    return subprocess.run(
        [sys.executable, "-m", "autopay_cli", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONSAFEPATH": "1", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        "up", "serve", "simulate", "sign", "doctor", "certs", "keys new", "ledger erase", "tx", "tx get", "tx list",
        "tx watch", "tx import", "tx export", "tx quarantine", "tx quarantine list", "tx quarantine show",
        "tx quarantine accept", "tx quarantine dismiss", "tx quarantine redrive", "sources",
        "sources list", "sources check", "conformance",
    ],
)  # fmt: skip
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    """--help says what it does and what it takes."""
    answer = autopay(*command.split(), "--help", directory=tmp_path)
    assert answer.returncode == 0
    assert "Usage:" in answer.stdout
    assert "--help" in answer.stdout


def test_help_imports_nothing_heavy() -> None:
    """Reading the help costs no import of a server, a driver or a protocol."""
    code = (
        "import sys; from autopay_cli.__main__ import application; application()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def without(packages: set[str], *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command where packages are not installed."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {packages!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = ['autopay', *{arguments!r}]\n"
        "from autopay_cli.__main__ import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_serving_the_edge_imports_no_other_process() -> None:
    """An image with only the edge's packages can run it: nothing of the ledger is looked for."""
    # An impossible address ends it after everything it needs has been imported.
    absent = {"motor", "pymongo", "bson", "services"}
    answer = without(absent, "serve", "edge", EDGE_BIND="203.0.113.1:1")
    assert answer.returncode == 2
    assert "can't listen on 203.0.113.1:1" in answer.stderr


@pytest.mark.parametrize(
    ("absent", "command", "extra"),
    [
        ({"motor", "pymongo", "bson"}, ["serve", "ledger"], "ledger"),
        ({"aiohttp"}, ["serve", "edge"], "edge"),
        ({"aiohttp"}, ["simulate", "--url", "http://127.0.0.1:1/", "--secret", "s"], "all"),
        ({"rfc8785"}, ["sign", "{}", "--form", "body", "--secret", "s"], "all"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(absent: set[str], command: list[str], extra: str) -> None:
    """One line says what to install."""
    answer = without(absent, *command)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert f"pip install 'autopay-mesh[{extra}]'" in answer.stderr


def test_an_unknown_process_is_refused(tmp_path: Path) -> None:
    """The processes there are stand in the sentence."""
    answer = autopay("serve", "nothing", directory=tmp_path)
    assert answer.returncode == 2
    assert "edge" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulate"], "no mesh runs here"),
        (["tx", "get", "T-1"], "no mesh runs here"),
        (["tx", "get", "T-1", "--ledger", "127.0.0.1:1"], "does not answer"),
        (["tx", "list", "--ledger", "127.0.0.1:1"], "does not answer"),
        (["tx", "list", "--status", "sucess", "--ledger", "127.0.0.1:1"], "--status: 'sucess' is none of pending,"),
        (["tx", "list", "--since", "noon", "--ledger", "127.0.0.1:1"], "--since: write a date or time like"),
        (["tx", "import", "absent.csv", "--ledger", "127.0.0.1:1"], "can't read absent.csv"),
        (["tx", "import", "payments.txt", "--dry-run"], "is it jsonl or csv"),
        (["tx", "export", "-o", "x.xlsx", "--ledger", "127.0.0.1:1"], "is it to be jsonl, csv, parquet"),
        (["sign", "{}"], "no secret to sign with"),
        (["sign", "@absent.json", "--secret", "s"], "can't read absent.json"),
        (["simulate", "--scenario", "nothing"], "--scenario"),
        (["simulate", "--url", "http://127.0.0.1:1/", "--secret", "s"], "nobody answers at http://127.0.0.1:1/"),
        (["simulate", "--url", "nowhere", "--secret", "s"], "is no URL"),
    ],
    ids=" ".join,
)
def test_an_expected_failure_is_one_line(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    """What happened and what to do, no traceback, exit code 1."""
    answer = autopay(*arguments, directory=tmp_path, HMAC_SECRET_KEY="")
    assert answer.returncode == 1
    assert answer.stderr.startswith("autopay: ")
    assert answer.stderr.count("\n") == 1
    assert sentence in answer.stderr


def test_sign_reads_a_file_and_standard_input_alike(tmp_path: Path) -> None:
    """The same bytes get the same signature, wherever they come from."""
    (tmp_path / "body.json").write_text('{"tx_id":"T-1"}')
    common = ("--secret", "s", "--timestamp", "1790000000", "--json")
    from_file = autopay("sign", "@body.json", *common, directory=tmp_path)
    from_argument = autopay("sign", '{"tx_id":"T-1"}', *common, directory=tmp_path)
    assert from_file.stdout == from_argument.stdout
    assert json.loads(from_file.stdout)["headers"]["X-Timestamp"] == "1790000000"


def test_the_environment_s_secret_signs_where_no_mesh_runs(tmp_path: Path) -> None:
    """A script may sign for a mesh elsewhere."""
    by_option = autopay("sign", "{}", "--secret", "s", "--timestamp", "1", directory=tmp_path)
    by_environment = autopay("sign", "{}", "--timestamp", "1", directory=tmp_path, HMAC_SECRET_KEY="s")
    assert by_environment.stdout == by_option.stdout != ""


def test_doctor_shows_no_secret_and_reports_what_is_missing(tmp_path: Path) -> None:
    """It says that a secret is set, never what it is; a MongoDB that can't be used is missing."""
    answer = autopay(
        "doctor",
        "--json",
        directory=tmp_path,
        HMAC_SECRET_KEY="very-secret-value",
        MONGO_URL="mongodb://u:hidden@127.0.0.1:1/x",
    )
    findings = {finding["subject"]: finding for finding in json.loads(answer.stdout)}
    assert answer.returncode == 1
    assert findings["HMAC_SECRET_KEY"]["state"] == "ok"
    assert findings["mongodb"]["state"] == "missing"
    assert "very-secret-value" not in answer.stdout
    assert "hidden" not in answer.stdout
