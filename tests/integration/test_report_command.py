"""`autopay report`, GET /reports/daily and ExplainTransaction on a whole mesh without a key."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc

from tests.servers import RunningUp, bare_environment


def report(up: RunningUp, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run `autopay report` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "autopay_cli", "report", "--data-dir", str(up.data), *options],
        env=bare_environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_demonstration_payment_is_in_the_report(up: RunningUp) -> None:
    """What `autopay up` sent is counted, for a time before it nothing is."""
    answer = report(up, "--since", "2h", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    body = json.loads(answer.stdout)
    assert body["now"]["count"] >= 1
    assert body["narrative"]["author"] == "rules"
    earlier = report(up, "--since", "2h", "--until", "90m", "--format", "json")
    assert json.loads(earlier.stdout)["now"]["count"] == 0


def test_a_page_and_a_text_are_written(up: RunningUp, tmp_path: Path) -> None:
    """To a file that is named, or to standard output."""
    page = tmp_path / "report.html"
    answer = report(up, "--format", "html", "--out", str(page))
    assert answer.stdout.decode().startswith(f"{page}: ")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert report(up).stdout.decode().startswith("# Payments, ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--since", "soon"), "--since: write a date or time"),
        (("--since", "1h", "--until", "2h"), "must be later than since_ms"),
        (("--stored",), "No report is stored"),
        (("--insight", "127.0.0.1:1"), "127.0.0.1:1"),
        (("--out", "/nowhere/at/all"), "can't write /nowhere/at/all"),
    ],
)
def test_what_cannot_be_is_one_line(up: RunningUp, options: tuple[str, ...], sentence: str) -> None:
    """It says what is wrong, and the exit code is 1."""
    answer = report(up, *options)
    assert (answer.returncode, answer.stderr.decode().count("\n")) == (1, 1)
    assert sentence in answer.stderr.decode()


def test_the_edge_hands_out_the_same(up: RunningUp) -> None:
    """With the mesh's own API key."""
    mesh = up.mesh
    request = urllib.request.Request(f"{mesh.edge}/reports/daily", headers={"X-API-Key": mesh.api_key})  # noqa: S310 - our own edge
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
        body = json.loads(response.read())
    assert body["now"]["count"] >= 1
    assert sum(slot["count"] for slot in body["slots"]) == body["now"]["count"]


def test_without_a_key_the_rules_explain_on_read(up: RunningUp) -> None:
    """Nothing is queued, and the explanation has the shape that a model's has."""
    mesh = up.mesh
    listed = subprocess.run(
        [sys.executable, "-m", "autopay_cli", "tx", "list", "--json", "--limit", "1", "--data-dir", str(up.data)],
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    payment = json.loads(listed.stdout.splitlines()[0])
    assert payment["analysis_state"] == "ANALYSIS_STATE_NONE"
    request = insight_pb2.ExplainTransactionRequest(source=payment["source"], tx_id=payment["tx_id"])
    with grpc.insecure_channel(mesh.insight) as channel:
        stub = insight_pb2_grpc.InsightServiceStub(channel)
        response = stub.ExplainTransaction(request, timeout=10)
        assert response.explanation.source == "rules"
        assert response.explanation.summary
        assert response.risk.score == pytest.approx(float(payment["risk"]["score"]))
        for wrong, code in (("no-such", grpc.StatusCode.NOT_FOUND), ("", grpc.StatusCode.INVALID_ARGUMENT)):
            with pytest.raises(grpc.RpcError) as refused:
                stub.ExplainTransaction(
                    insight_pb2.ExplainTransactionRequest(source="autopay", tx_id=wrong), timeout=10
                )
            assert refused.value.code() is code
