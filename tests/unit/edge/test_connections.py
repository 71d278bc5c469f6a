"""Connections from anybody: slow ones, too many, garbled and smuggling ones; good ones go on beside them."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.unit.edge.rig import BODY, Edge, answer_of, running_edge, signed

SECONDS = 0.4


def head(extra: str = "", *, length: int | None = None) -> bytes:
    """Return the head of a valid delivery, with header lines added."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed(BODY).items())
    size = f"Content-Length: {len(BODY) if length is None else length}\r\n" if length != -1 else ""
    return f"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\n{lines}{size}{extra}\r\n".encode("latin-1")


async def closed_after(reader: asyncio.StreamReader) -> float:
    """Wait until the other end closes; return after how long."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 5)
    return loop.time() - started


@pytest.mark.parametrize("start", [b"", b"POST /webhooks/pay", b"POST / HTTP/1.1\r\nHost: x\r\nX-A: "])
async def test_a_slow_head_is_closed(start: bytes) -> None:
    """Whoever doesn't finish the first headers in time is closed, however it drips."""
    async with running_edge(header_timeout_s=SECONDS) as edge:
        reader, writer = await edge.raw(start)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"a" if start else b"")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert SECONDS * 0.5 < await closed_after(reader) < SECONDS + 1.5
        dripping.cancel()
        writer.close()


async def test_a_kept_connection_outlives_the_first_heads_time() -> None:
    """The short time is for a new connection; one that has been answered is kept."""
    async with running_edge(header_timeout_s=SECONDS) as edge:
        reader, writer = await edge.raw(head() + BODY)
        assert (await answer_of(reader)).status == 200
        await asyncio.sleep(SECONDS * 1.5)
        writer.write(head() + BODY)
        assert (await answer_of(reader)).status == 200
        writer.close()


async def test_one_connection_too_many_is_closed() -> None:
    """Over the cap a connection ends at once, those that are there go on, and room comes back."""
    async with running_edge(connections_max=3) as edge:
        held = [await edge.raw(b"") for _ in range(3)]
        await asyncio.sleep(0.05)
        reader, writer = await edge.raw(b"")
        assert await closed_after(reader) < 1
        writer.close()
        held[0][1].write(head() + BODY)
        assert (await answer_of(held[0][0])).status == 200
        held[1][1].close()
        await asyncio.sleep(0.05)
        assert (await edge.deliver()).status == 200
        for _, each in held:
            each.close()
        text = (await edge.send("GET", "/metrics", port=edge.admin_port)).body.decode()
        assert 'connections_refused_total{limit="total"} 1.0' in text


@pytest.mark.parametrize(("proxies", "refused"), [("", True), ("127.0.0.0/8", False)])
async def test_one_address_has_its_own_cap(proxies: str, refused: bool) -> None:
    """An address over its cap is closed; a trusted proxy, which stands for many, is not."""
    async with running_edge(address_connections_max=2, trusted_proxies=proxies) as edge:
        held = [await edge.raw(b"") for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await edge.raw(head() + BODY)
        if refused:
            assert await closed_after(reader) < 1
        else:
            assert (await answer_of(reader)).status == 200
        for each in (writer, *(pair[1] for pair in held)):
            each.close()


async def test_pipelined_deliveries_are_answered_in_order(edge: Edge) -> None:
    """Two requests in one packet are two answers, the first one first."""
    wrong = head().replace(b"X-Signature: ", b"X-Signature: 0")
    reader, writer = await edge.raw(wrong + BODY + head() + BODY)
    assert [(await answer_of(reader)).status for _ in range(2)] == [403, 200]
    writer.close()


SMUGGLING = {
    "length and chunked": head("Transfer-Encoding: chunked\r\n") + BODY,
    "two lengths": head("Content-Length: 3\r\n") + BODY,
    "two equal lengths": head(f"Content-Length: {len(BODY)}\r\n") + BODY,
    "a list of lengths": head(length=-1, extra=f"Content-Length: {len(BODY)}, {len(BODY)}\r\n") + BODY,
    "a signed length": head(length=-1, extra=f"Content-Length: +{len(BODY)}\r\n") + BODY,
    "a hexadecimal length": head(length=-1, extra="Content-Length: 0x5d\r\n") + BODY,
    "a space before the colon": head(length=-1, extra=f"Content-Length : {len(BODY)}\r\n") + BODY,
    "an unknown transfer coding": head(length=-1, extra="Transfer-Encoding: xchunked\r\n") + b"0\r\n\r\n",
    "chunked twice": head(length=-1, extra="Transfer-Encoding: chunked, chunked\r\n") + b"0\r\n\r\n",
    "a coding after chunked": head(length=-1, extra="Transfer-Encoding: chunked, identity\r\n") + b"0\r\n\r\n",
    "a folded header": head("X-A: b\r\n c\r\n") + BODY,
    "bare line feeds": head().replace(b"\r\n", b"\n") + BODY,
    "a bare carriage return": head("X-A: b\rc\r\n") + BODY,
    "a NUL": head("X-A: b\0c\r\n") + BODY,
    "a chunk size that is none": head(length=-1, extra="Transfer-Encoding: chunked\r\n")
    + b"5d;\nx\r\n"
    + BODY
    + b"\r\n0\r\n\r\n",
    "a negative chunk": head(length=-1, extra="Transfer-Encoding: chunked\r\n") + b"-1\r\nx\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": head(length=-1, extra="Transfer-Encoding: chunked\r\n")
    + b"10000000000000000\r\nx\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLING)
async def test_what_two_servers_could_read_differently_is_refused(edge: Edge, shape: str) -> None:
    """Nothing of it is forwarded, the answer is an error in the usual form, and the connection ends there."""
    reader, writer = await edge.raw(SMUGGLING[shape])
    got = await asyncio.wait_for(answer_of(reader), 5)
    assert got.status in (400, 408, 415), shape
    assert (got.json["status"], got.headers["Content-Type"]) == (got.status, "application/problem+json")
    assert edge.ingest.batches == 0
    writer.write(head() + BODY)
    assert await closed_after(reader) < 2
    assert edge.ingest.batches == 0
    writer.close()


@pytest.mark.parametrize(
    "extra",
    ["".join(f"X-{number}: 1\r\n" for number in range(101)), f"X-Long: {'a' * 9_000}\r\n"],
    ids=["many", "long"],
)
async def test_too_much_of_a_head_is_refused(edge: Edge, extra: str) -> None:
    """More than a hundred headers, or one of more than 8 KiB, is 400."""
    reader, writer = await edge.raw(head(extra) + BODY)
    got = await answer_of(reader)
    assert (got.status, got.json["reason"]) == (400, "INVALID_FIELD")
    writer.close()


async def test_garbage_is_counted_and_never_repeated(edge: Edge) -> None:
    """The answer holds nothing of what came, the log no traceback; a metric says how much of it there is."""
    reader, writer = await edge.raw(b"s3cr3t / s3cr3t\r\n\r\n")
    got = await answer_of(reader)
    writer.close()
    assert got.status == 400
    assert b"s3cr3t" not in got.body
    assert b"s3cr3t" not in edge.logged()
    text = (await edge.send("GET", "/metrics", port=edge.admin_port)).body.decode()
    assert "requests_malformed_total 1.0" in text
