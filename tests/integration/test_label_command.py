"""`autopay label` on a whole mesh: what it says, and what it refuses."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.servers import RunningUp, bare_environment


def label(up: RunningUp, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run `autopay label` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "autopay_cli", "label", "--data-dir", str(up.data), *arguments],
        env=bare_environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )


def told(up: RunningUp, *arguments: str) -> dict[str, Any]:
    """Run it, and read its JSON."""
    answer = label(up, *arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    read: dict[str, Any] = json.loads(answer.stdout)
    return read


def a_payment(up: RunningUp, directory: Path) -> str:
    """A payment's id, once one is learnt: what came before the learner first followed the feed never is."""
    file = directory / "payment.jsonl"
    row = {"source": "autopay", "kind": "captured", "amount": "12.50", "currency": "EUR"}
    for number in range(20):
        tx_id = f"LABELLED-{number}"
        row |= {"tx_id": tx_id, "sender_account": "ann", "receiver_account": "shop"}
        file.write_text(json.dumps(row) + "\n")
        subprocess.run(
            [sys.executable, "-m", "autopay_cli", "tx", "import", str(file), "--data-dir", str(up.data)],
            env=bare_environment(),
            capture_output=True,
            timeout=60,
            check=True,
        )
        for _ in range(5):
            if label(up, tx_id).returncode == 0:
                return tx_id
            time.sleep(0.3)
    raise AssertionError("no payment is ever learnt")


def test_a_payment_is_labelled_and_read_back(up: RunningUp, tmp_path: Path) -> None:
    """Said, said again, overruled by another source, and taken back."""
    tx_id = a_payment(up, tmp_path)
    first = told(up, tx_id, "fraud", "--author", "ann")
    assert (first["changed"], first["counts_as"]) == (True, "fraud")
    assert [(each["by"], each["label"], each["author"]) for each in first["labels"]] == [("analyst", "fraud", "ann")]
    assert not told(up, tx_id, "fraud")["changed"]
    assert told(up, tx_id, "legitimate", "--by", "bank")["counts_as"] == "fraud"
    taken_back = label(up, tx_id, "unsure")
    assert taken_back.returncode == 0
    assert f"autopay/{tx_id} counts as legitimate" in taken_back.stdout.decode()
    read = told(up, tx_id)
    assert "changed" not in read
    assert {each["by"]: each["label"] for each in read["labels"]} == {"analyst": "unsure", "bank": "legitimate"}


def deliver(up: RunningUp, **fields: str) -> dict[str, Any]:
    """Send a signed native webhook about a payment of ann's, and read the answer."""
    body = json.dumps(
        {"amount": "12.50", "currency": "EUR", "sender_account": "ann", "receiver_account": "shop", **fields}
    ).encode()
    stamp = str(int(time.time()))
    signature = hmac.new(up.mesh.hmac_secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(  # noqa: S310 - our own edge
        f"{up.mesh.edge}/webhooks/payments",
        data=body,
        headers={"Content-Type": "application/json", "X-Timestamp": stamp, "X-Signature": signature},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        told_back: dict[str, Any] = json.load(answer)
    return told_back


def test_a_dispute_over_fraud_labels_through_the_whole_mesh(up: RunningUp, tmp_path: Path) -> None:
    """A webhook says that a payment is disputed as fraud: it counts as fraud, until another says that it is over."""
    a_payment(up, tmp_path)
    deliver(up, tx_id="DISPUTED-1")
    deliver(up, tx_id="DISPUTED-2")
    about = {"object_id": "D-1", "event_id": "D-1-opened", "status": "dispute_opened"}
    answer = deliver(up, tx_id="DISPUTED-1", dispute_reason="fraud", **about)
    assert answer["transaction_status"] == "disputed"
    deliver(up, tx_id="DISPUTED-2", dispute_reason="not_received", **{**about, "event_id": "D-2-opened"})

    def counts_as(tx_id: str, wanted: str | None) -> dict[str, Any]:
        for _ in range(30):
            answer = label(up, tx_id, "--json")
            if answer.returncode == 0 and (found := json.loads(answer.stdout))["counts_as"] == wanted:
                return dict(found)
            time.sleep(0.2)
        raise AssertionError(answer)

    assert [each["by"] for each in counts_as("DISPUTED-1", "fraud")["labels"]] == ["dispute:autopay"]
    assert counts_as("DISPUTED-2", None)["labels"] == []
    deliver(up, tx_id="DISPUTED-1", **{**about, "event_id": "D-1-won", "status": "dispute_won"})
    assert counts_as("DISPUTED-1", None)["labels"][0]["label"] == "unsure"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("T-NEVER", "fraud"), "No such payment can be labelled: it doesn't exist, is older than 120 days"),
        (("T-NEVER",), "No such payment can be labelled"),
        (("T-NEVER", "fraud", "--by", "Ann!"), "must be 1 to 40 of a-z, 0-9, _ and -"),
        (("T-NEVER", "fraud", "--insight", "127.0.0.1:1"), "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_is_one_line(up: RunningUp, arguments: tuple[str, ...], sentence: str) -> None:
    """It says what is wrong, and the exit code is 1."""
    answer = label(up, *arguments)
    assert answer.returncode == 1
    assert answer.stderr.count(b"\n") == 1
    assert sentence in answer.stderr.decode()
