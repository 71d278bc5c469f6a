"""Traffic: signed as the native source signs, heavy-tailed, and no payment twice."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from pathlib import Path

from bench import traffic
from bench.traffic import Payments

SECRET = b"a-secret-of-the-test"


def test_a_request_is_signed_over_its_timestamp_and_its_exact_body() -> None:
    """The signature is the hex HMAC-SHA256 of the timestamp, a dot and the bytes behind the headers."""
    raw = traffic.request(b'{"a": 1}', secret=SECRET, timestamp_s=1700000000, host="127.0.0.1:8080", path="/webhooks/p")
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    expected = hmac.new(SECRET, b"1700000000." + body, hashlib.sha256).hexdigest()
    assert lines[0] == "POST /webhooks/p HTTP/1.1"
    assert headers["X-Signature"] == expected
    assert headers["X-Timestamp"] == "1700000000"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Host"] == "127.0.0.1:8080"


def test_one_seed_gives_the_same_payments_however_they_are_taken() -> None:
    """Two supplies of one seed agree, and another seed gives other payments."""
    assert list(Payments(7).take(50)) == list(Payments(7).take(50))
    assert list(Payments(7).take(50)) != list(Payments(8).take(50))


def test_no_payment_comes_twice() -> None:
    """Over several takes every tx_id is new."""
    payments = Payments(1)
    ids = [json.loads(body)["tx_id"] for _ in range(3) for body in payments.take(5_000)]
    assert len(set(ids)) == 15_000


def test_a_census_has_every_account() -> None:
    """Each sender pays once, each receiver is paid, and no payment is one of the supply's own."""
    payments = Payments(3)
    bodies = [json.loads(body) for body in payments.census()]
    assert len({body["sender_account"] for body in bodies}) == len(bodies) == traffic.SENDERS
    assert len({body["receiver_account"] for body in bodies}) == traffic.RECEIVERS
    ids = {body["tx_id"] for body in bodies} | {json.loads(body)["tx_id"] for body in payments.take(100)}
    assert len(ids) == traffic.SENDERS + 100


def test_every_payment_is_one_that_the_native_source_accepts() -> None:
    """Bodies are JSON with a positive amount of two decimals at most and accounts that differ."""
    for body in Payments(2).take(2_000):
        payment = json.loads(body)
        assert payment["amount"] > 0
        assert round(payment["amount"] * 100) / 100 == payment["amount"]
        assert payment["currency"] in {"USD", "EUR", "GBP", "CHF"}
        assert payment["status"] in {"success", "pending", "failed"}
        assert payment["sender_account"] != payment["receiver_account"]


def test_accounts_are_heavy_tailed() -> None:
    """The busiest sender has several percent of the traffic, and most senders seen are seen once."""
    seen = Counter(json.loads(body)["sender_account"] for body in Payments(3).take(20_000))
    assert seen.most_common(1)[0][1] > 0.05 * 20_000
    assert sum(count == 1 for count in seen.values()) > len(seen) / 2


def test_written_requests_stand_behind_their_length(tmp_path: Path) -> None:
    """A file of requests is read back by its six-digit lengths alone."""
    requests = [b"first", b"", b"third\r\n\r\n"]
    file = tmp_path / "requests.bin"
    assert traffic.write(requests, file) == 3
    assert file.read_bytes() == b"000005first000000000009third\r\n\r\n"
