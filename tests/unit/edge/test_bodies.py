"""Reading bodies over a real connection: bounded in size, in time, and in bytes that nobody has verified."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest

from edge.bodies import BODY_BYTES_MAX
from tests.patience import until
from tests.unit.edge.rig import BODY, Edge, Got, answer_of, running_edge, signed


def head(*lines: str, body: bytes = BODY) -> bytes:
    """Return the head of a signed POST with more header lines."""
    all_lines = ["POST /webhooks/payments HTTP/1.1", "Host: edge", *lines]
    all_lines += [f"{name}: {value}" for name, value in signed(body).items()]
    return ("\r\n".join(all_lines) + "\r\n\r\n").encode()


def chunk(part: bytes) -> bytes:
    """Return a part of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(part), part)


async def exchange(edge: Edge, *parts: bytes, pause_s: float = 0.02) -> Got:
    """Send parts with pauses and return the answer."""
    reader, writer = await edge.raw(parts[0])
    try:
        for part in parts[1:]:
            await asyncio.sleep(pause_s)
            writer.write(part)
        return await asyncio.wait_for(answer_of(reader), 5)
    finally:
        writer.close()


async def test_a_body_in_pieces_is_the_body(edge: Edge) -> None:
    """Bytes that arrive slowly, with a length or in chunks, are verified and forwarded exactly."""
    for parts in (
        [head(f"Content-Length: {len(BODY)}"), BODY[:3], BODY[3:40], BODY[40:]],
        [head("Transfer-Encoding: chunked"), chunk(BODY[:5]), chunk(BODY[5:]), b"0\r\n\r\n"],
        [head("Transfer-Encoding: chunked") + chunk(BODY) + b"0\r\n\r\n"],
    ):
        assert (await exchange(edge, *parts)).status == 200
    assert [delivery.body for delivery in edge.ingest.deliveries] == [BODY] * 3


@pytest.mark.parametrize("length", [0, 1, BODY_BYTES_MAX])
async def test_the_largest_and_the_empty_body_are_taken(edge: Edge, length: int) -> None:
    """Up to 256 KiB, and nothing at all, are bodies like any other."""
    body = b"x" * length
    assert (await edge.deliver(body)).status == 200
    assert edge.ingest.deliveries[0].body == body


async def test_a_request_without_a_body_is_an_empty_one(edge: Edge) -> None:
    """A POST without length and body is verified over no bytes."""
    got = await exchange(edge, head(body=b""))
    assert got.status == 200
    assert edge.ingest.deliveries[0].body == b""


async def test_a_body_that_says_it_is_too_large_is_413_unread(edge: Edge) -> None:
    """A length over 256 KiB is refused before a byte of it is read."""
    got = await exchange(edge, head(f"Content-Length: {BODY_BYTES_MAX + 1}"))
    assert (got.status, got.json["reason"]) == (413, "TOO_LARGE")
    assert f"{BODY_BYTES_MAX:,}" in got.json["detail"]


@pytest.mark.parametrize("length", [BODY_BYTES_MAX + 1, 3 * BODY_BYTES_MAX])
async def test_chunks_that_grow_too_large_are_413(edge: Edge, length: int) -> None:
    """A body that hides its length is cut off where it passes the limit."""
    whole = chunk(b"x" * length) + b"0\r\n\r\n"
    assert (await exchange(edge, head("Transfer-Encoding: chunked"), whole)).status == 413
    pieces = [chunk(b"x" * 65_536)] * (length // 65_536 + 1)
    assert (await exchange(edge, head("Transfer-Encoding: chunked"), *pieces, pause_s=0)).status == 413
    assert edge.ingest.deliveries == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
async def test_a_compressed_body_is_415_and_never_inflated(edge: Edge, encoding: str) -> None:
    """What was compressed is not what was signed; it is refused with the encoding it came in."""
    got = await edge.deliver(gzip.compress(BODY), headers={**signed(BODY), "Content-Encoding": encoding})
    assert (got.status, got.json["reason"]) == (415, "UNSUPPORTED_MEDIA")
    assert edge.ingest.deliveries == []


async def test_identity_is_no_encoding(edge: Edge) -> None:
    """`Content-Encoding: identity` says nothing, and is accepted."""
    assert (await edge.deliver(headers={**signed(BODY), "Content-Encoding": "identity"})).status == 200


async def test_compressed_looking_bytes_are_only_bytes(edge: Edge) -> None:
    """Without the header a gzip body is signed and forwarded as it is."""
    body = gzip.compress(BODY)
    assert (await edge.deliver(body)).status == 200
    assert edge.ingest.deliveries[0].body == body


@pytest.mark.parametrize("framing", [f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_arrive_is_408(framing: str) -> None:
    """The body as a whole has a deadline: whoever drips bytes is told so when it passes."""
    async with running_edge(body_timeout_s=0.2) as edge:
        started = time.monotonic()
        drops = [chunk(b"x") if "chunked" in framing else b"x"] * 5
        got = await exchange(edge, head(framing), *drops)
        assert (got.status, got.json["reason"]) == (408, "BODY_TIMEOUT")
        assert 0.15 < time.monotonic() - started < 1
        assert edge.bodies._unverified_bytes == 0


async def test_bytes_that_nobody_verified_are_bounded() -> None:
    """While slow bodies hold the bound another slow one is 503, a quick one is served, and all is free afterwards."""
    async with running_edge(unverified_bytes_max=262_144) as edge:
        slow_reader, slow_writer = await edge.raw(head("Transfer-Encoding: chunked"))
        await asyncio.sleep(0.05)
        got = await exchange(edge, head(f"Content-Length: {len(BODY)}"))
        assert (got.status, got.json["reason"], got.headers["Retry-After"]) == (503, "OVERLOADED", "1")
        assert (await edge.deliver()).status == 200
        slow_writer.write(chunk(BODY) + b"0\r\n\r\n")
        assert (await answer_of(slow_reader)).status == 200
        slow_writer.close()
        assert (await exchange(edge, head(f"Content-Length: {len(BODY)}"), BODY)).status == 200
        assert edge.bodies._unverified_bytes == 0


async def test_who_hangs_up_half_way_frees_its_bytes_and_is_no_error(edge: Edge) -> None:
    """A connection that ends inside its body leaves no bytes reserved and no traceback in the log."""
    _, writer = await edge.raw(head("Content-Length: 100") + b"half")
    await until(lambda: edge.bodies._unverified_bytes == 100)
    writer.close()
    await until(lambda: edge.bodies._unverified_bytes == 0)
    # The line is written after the bytes are free.
    await until(lambda: bool(edge.lines()))
    assert edge.ingest.deliveries == []
    assert [line["outcome"] for line in edge.lines()] == ["body_timeout"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n",
        b"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n01234",
        b"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 10_000 + b"\r\n\r\n",
    ],
    ids=["tls", "negative-length", "two-lengths", "no-chunk", "long-header"],
)
async def test_bytes_that_are_no_http_are_400_and_no_error_of_ours(edge: Edge, garbage: bytes) -> None:
    """A stranger who sends nonsense is refused, and can't fill the log with tracebacks."""
    reader, writer = await edge.raw(garbage)
    assert (await asyncio.wait_for(answer_of(reader), 2)).status == 400
    writer.close()
    assert [line for line in edge.lines() if line["level"] == "error"] == []
    assert edge.ingest.deliveries == []


async def test_a_connection_serves_one_delivery_after_another(edge: Edge) -> None:
    """Requests that come on one connection, even without waiting, are answered in order."""
    one = head(f"Content-Length: {len(BODY)}") + BODY
    reader, writer = await edge.raw(one * 3)
    answers = [await asyncio.wait_for(answer_of(reader), 2) for _ in range(3)]
    writer.close()
    assert [got.status for got in answers] == [200, 200, 200]
    assert len({got.json["request_id"] for got in answers}) == 3
