"""What the edge does not believe: signatures, replay window, sources; nothing of it goes any further."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest

from tests.unit.edge.rig import BODY, SECRET, Edge, answer_of, running_edge, signed

OLD_SECRET = "an-older-secret-0123456789abcdefgh"


def plain_signature(body: bytes) -> str:
    """Return the HMAC over the body alone."""
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


async def test_a_wrong_signature_is_403(edge: Edge) -> None:
    """A signature made with another secret, or over other bytes, is not believed, and nothing is forwarded."""
    for headers in (signed(BODY, secret=OLD_SECRET), signed(BODY + b" ")):
        got = await edge.deliver(headers=headers)
        assert (got.status, got.json["reason"]) == (403, "SIGNATURE_INVALID")
    assert edge.ingest.deliveries == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Timestamp": "1700000000"},
        {"X-Signature": ""},
        {"X-Signature": "0" * 63},
        {"X-Signature": "0" * 64, "X-Timestamp": "1_700_000_000"},
        {"X-Signature": "g" * 64, "X-Timestamp": "1700000000"},
        {"X-Signature": "\u00e9" * 64},
        {"Content-Type": "application/json"},
    ],
)
async def test_a_missing_or_malformed_signature_is_403(edge: Edge, headers: dict[str, str]) -> None:
    """Nothing fails open: whatever is not a signature in one of the three forms is refused."""
    got = await edge.deliver(headers=headers)
    assert (got.status, got.json["reason"]) == (403, "SIGNATURE_INVALID")
    assert edge.ingest.deliveries == []


@pytest.mark.parametrize("name", ["X-Signature", "X-Timestamp", "x-signature"])
async def test_a_security_header_twice_is_403(edge: Edge, name: str) -> None:
    """A second value of a security header is refused even when it repeats the good one."""
    good = signed(BODY)
    lines = [*good.items(), (name, {key.lower(): value for key, value in good.items()}[name.lower()])]
    head = "".join(f"{key}: {value}\r\n" for key, value in lines)
    request = f"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n{head}\r\n"
    reader, writer = await edge.raw(request.encode() + BODY)
    got = await answer_of(reader)
    writer.close()
    assert (got.status, got.json["reason"]) == (403, "SIGNATURE_INVALID")
    assert "twice" in got.json["detail"]


@pytest.mark.parametrize(("age_s", "status"), [(295, 200), (302, 408), (-3, 200), (-8, 408)])
async def test_the_replay_window_is_held(edge: Edge, age_s: float, status: int) -> None:
    """A signed time up to 300 s ago or 5 s ahead is accepted, what lies outside is 408."""
    got = await edge.deliver(headers=signed(BODY, age_s=age_s))
    assert got.status == status
    if status == 408:
        assert got.json["reason"] == "TIMESTAMP_OUTSIDE_WINDOW"
        assert edge.ingest.deliveries == []


async def test_the_window_is_not_told_to_who_can_not_sign(edge: Edge) -> None:
    """An old request with a wrong signature is 403: only a true one learns that it is late."""
    got = await edge.deliver(headers=signed(BODY, age_s=9_999, secret=OLD_SECRET))
    assert got.status == 403


async def test_a_signature_over_the_body_alone_is_dated_by_its_timestamp(edge: Edge) -> None:
    """The second form holds when the signed body says when it was made."""
    dated = json.dumps({"timestamp": int(time.time())}).encode()
    undated = b'{"amount": 1}'
    assert (await edge.deliver(dated, headers={"X-Signature": plain_signature(dated)})).status == 200
    assert (await edge.deliver(undated, headers={"X-Signature": plain_signature(undated)})).status == 403


async def test_a_signature_inside_the_body_forwards_what_was_signed(edge: Edge) -> None:
    """The third form forwards the canonical bytes under the signature, without the signature."""
    fields = {"amount": "1.00", "timestamp": int(time.time()), "tx_id": "T-1"}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    body = json.dumps({"signature": plain_signature(canonical), **fields}).encode()
    got = await edge.deliver(body, headers={"Content-Type": "application/json"})
    assert got.status == 200
    assert edge.ingest.deliveries[0].body == canonical


async def test_a_signature_inside_the_body_can_be_switched_off() -> None:
    """Where that form is off, a body signed inside is an unsigned request."""
    async with running_edge(in_body_signatures=False) as edge:
        got = await edge.deliver(b'{"signature": "x"}', headers={"Content-Type": "application/json"})
        assert got.status == 403


async def test_two_secrets_hold_while_one_replaces_the_other() -> None:
    """Either active secret signs, and the delivery says which one did."""
    async with running_edge(hmac_secret_key=f"{SECRET}, {OLD_SECRET}") as edge:
        for secret in (SECRET, OLD_SECRET):
            assert (await edge.deliver(headers=signed(BODY, secret=secret))).status == 200
        assert (await edge.deliver(headers=signed(BODY, secret="neither"))).status == 403
    assert len({delivery.key_id for delivery in edge.ingest.deliveries}) == 2


@pytest.mark.parametrize("path", ["/webhooks/unknown", "/webhooks/Autopay", "/webhooks/autopay%00"])
async def test_an_unknown_source_is_404(edge: Edge, path: str) -> None:
    """A source that is not configured is not found, signed or not."""
    got = await edge.deliver(path=path)
    assert (got.status, got.json["reason"]) == (404, "SOURCE_UNKNOWN")
    assert got.headers["Content-Type"] == "application/problem+json"
    assert len(got.json["request_id"]) >= 14


@pytest.mark.parametrize("path", ["/webhooks/payments", "/webhook/payment", "/webhooks/autopay"])
async def test_a_source_without_a_secret_is_404(path: str) -> None:
    """Without a secret nothing could be verified: the source is not there at all."""
    async with running_edge(hmac_secret_key="") as edge:
        for headers in (signed(BODY), signed(BODY, secret="")):
            got = await edge.deliver(path=path, headers=headers)
            assert (got.status, got.json["reason"]) == (404, "SOURCE_UNKNOWN")
        assert edge.ingest.deliveries == []


@pytest.mark.parametrize("secrets", [",", " , ", ",,"])
async def test_separators_alone_are_no_secret(secrets: str) -> None:
    """An empty part of the list never becomes an empty secret that anybody could sign with."""
    async with running_edge(hmac_secret_key=secrets) as edge:
        assert (await edge.deliver(headers=signed(BODY, secret=""))).status == 404


async def test_a_path_that_is_not_there_is_a_problem(edge: Edge) -> None:
    """What is not served is 404 in the same form as every error."""
    got = await edge.send("GET", "/nothing/here")
    assert (got.status, got.headers["Content-Type"]) == (404, "application/problem+json")
    assert got.json["reason"] == "NOT_FOUND"


async def test_a_method_that_is_not_served_is_a_problem(edge: Edge) -> None:
    """Another method on a known path is 405, says which are allowed, and is a problem like every error."""
    got = await edge.send("GET", "/webhooks/payments")
    assert (got.status, got.headers["Content-Type"]) == (405, "application/problem+json")
    assert "POST" in got.headers["Allow"]


async def test_no_answer_tells_what_software_this_is(edge: Edge) -> None:
    """Right or wrong, kept open or closed, to a webhook or to nothing: one name, no version; an error has its id."""
    answers = [
        await edge.deliver(),
        await edge.deliver(headers={**signed(BODY), "Connection": "close"}),
        await edge.deliver(headers={"X-Signature": "0" * 64}),
        await edge.send("POST", "/webhooks/nobody"),
        await edge.send("GET", "/nowhere"),
        await edge.send("DELETE", "/transactions"),
        await edge.send("GET", "/"),
    ]
    reader, writer = await edge.raw(b"no HTTP at all\r\n\r\n")
    answers.append(await answer_of(reader))
    writer.close()
    assert [got.status for got in answers] == [200, 200, 403, 404, 404, 405, 200, 400]
    assert {got.headers["Server"] for got in answers} == {"autopay"}
    for got in answers:
        headers = {name.lower(): value for name, value in got.headers.items()}
        if got.status >= 400:
            assert headers["x-request-id"] == got.json["request_id"]


async def test_a_bug_is_a_problem_that_says_nothing_and_is_logged(edge: Edge) -> None:
    """An unexpected error is 500 in the same form, without its text, and a traceback in the log."""

    def bug(delivery: object) -> object:
        return None

    edge.ingest.answer = bug  # type: ignore[assignment]
    got = await edge.deliver()
    assert (got.status, got.headers["Content-Type"]) == (500, "application/problem+json")
    assert got.json["reason"] == "INTERNAL"
    assert "NoneType" not in json.dumps(got.json)
    assert any("AttributeError" in line.get("traceback", "") for line in edge.lines())
