"""Nothing private leaves the mesh: canaries are planted wherever strangers write, and then everything is searched."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

from autopay_cli.signing import signed
from tests.integration.conftest import StartMesh
from tests.mesh_processes import API_KEY, NAMES, SECRET, RunningMesh
from tests.mesh_traffic import payment, sending_to
from tests.otlp_receiver import receiving

CANARIES = {
    "account": "canary-account-7731",
    "receiver": "canary-receiver-7732",
    "tx id": "CANARY-TX-7733",
    "bad tx id": "CANARY TX 7734",
    "card": "4242424242424242",
    "spaced card": "5555 5555 5555 4444",
    "iban": "DE89370400440532013000",
    "e-mail": "canary.person@mail.example",
    "foreign secret": "whsec_Q2FuYXJ5U2VjcmV0T2ZBU3RyYW5nZXI",
    "signature": "ca7a12" * 10 + "abcd",
    "api key": "canary.Zm9yZWlnbktleTAxMjM0NTY3ODk",
    "word": "canary-word-7735",
}
# Ours, which no answer and no log may show either.
OURS = {"hmac": SECRET, "api key": API_KEY, "api secret": API_KEY.partition(".")[2]}
HEADERS = {
    "X-Note": f"{CANARIES['word']} {CANARIES['card']}",
    "Cookie": f"session={CANARIES['foreign secret']}",
    "User-Agent": CANARIES["e-mail"],
    "Referer": f"https://{CANARIES['word']}.example/{CANARIES['iban']}",
    "traceparent": CANARIES["word"],
}


def bodies() -> Sequence[bytes]:
    """Bodies with canaries: a good payment, a conflicting one, invalid ones, no JSON."""
    good = {
        "tx_id": CANARIES["tx id"],
        "amount": "10.00",
        "currency": "EUR",
        "sender_account": CANARIES["account"],
        "receiver_account": CANARIES["receiver"],
        "description": " ".join(CANARIES[name] for name in ("card", "spaced card", "iban", "e-mail", "word")),
    }
    variants: Sequence[Mapping[str, Any]] = (
        good,
        good,
        {**good, "amount": "11.00"},
        {**good, "tx_id": CANARIES["bad tx id"]},
        {**good, "tx_id": "other", "currency": CANARIES["word"], "amount": CANARIES["card"] * 3},
        {**good, "tx_id": "other", "sender_account": CANARIES["e-mail"], CANARIES["word"]: CANARIES["iban"]},
    )
    return [*(json.dumps(each).encode() for each in variants), f"{{{CANARIES['word']} {CANARIES['card']}".encode()]


async def plant(mesh: RunningMesh) -> list[str]:
    """Send canaries in every way; return the text of every answer that is an error, with its headers."""
    refused: list[str] = []
    async with aiohttp.ClientSession(mesh.url) as session:

        async def send(method: str, path: str, **request: Any) -> None:
            async with session.request(method, path, **request) as response:
                told = await response.text()
                if response.status >= 400:
                    refused.append(f"{dict(response.headers)} {told}")

        for body in bodies():
            good = signed(body, SECRET, timestamp_s=int(time.time())).headers
            for given in (
                {**HEADERS, **good},
                {**good, "X-Signature": CANARIES["signature"]},
                {"X-Signature": CANARIES["foreign secret"], "X-Timestamp": CANARIES["word"]},
                {"Content-Encoding": CANARIES["word"], **good},
            ):
                await send("POST", "/webhooks/payments", data=body, headers=given)
        asked = quote("/".join(CANARIES.values()))
        query = {"source": CANARIES["account"], CANARIES["word"]: CANARIES["card"], "cursor": CANARIES["iban"]}
        for key in ({"X-API-Key": API_KEY}, {"X-API-Key": CANARIES["api key"]}, {"X-Monitoring-Key": CANARIES["word"]}):
            await send("GET", f"/transaction/{CANARIES['tx id']}-no", headers={**HEADERS, **key})
            await send("GET", f"/transaction/{quote(CANARIES['bad tx id'])}", headers={**HEADERS, **key})
            await send("GET", "/transactions", params=query, headers=key)
            await send("GET", "/transactions", params={"cursor": CANARIES["card"]}, headers=key)
            await send("GET", "/monitoring/errors", params=query, headers=key)
        await send("GET", f"/{asked}", params=query)
        await send("POST", f"/webhooks/{CANARIES['account']}", params=query, data=b"{}")
    return refused


async def garble(mesh: RunningMesh) -> list[str]:
    """Send what is no HTTP; return what was answered."""
    host, _, port = mesh.addresses["edge"].rpartition(":")
    word, card = CANARIES["word"], CANARIES["card"]
    answers = []
    for request in (
        f"GET /{word} HTTP/9.{card}\r\n\r\n",
        f"{word}{card} / HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\n{word} : {card}\r\n\r\n",
        f"GET / HTTP/1.1\r\nX-{word}: {card}\x00\r\n\r\n",
        f"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nContent-Length: {word}\r\n\r\n{card}",
        f"POST /webhooks/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{word}\r\n{card}\r\n",
        f"GET /{word * 1_000} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {card * 1_000}\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode("latin-1"))
        await writer.drain()
        try:
            answers.append((await asyncio.wait_for(reader.read(65_536), 5)).decode("latin-1"))
        finally:
            writer.close()
    return answers


def found_in(text: str) -> list[str]:
    """Return the names of what may not stand in a text and does."""
    return [name for name, canary in {**CANARIES, **OURS}.items() if canary in text]


async def test_no_canary_is_seen_outside(start_mesh: StartMesh) -> None:
    """Neither logs at their most talkative, nor spans, metrics or error answers show anything that was planted."""
    async with receiving() as receiver:
        mesh = start_mesh(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_TRACES_SAMPLER="always_on",
            OTEL_BSP_SCHEDULE_DELAY="100",
            AUTOPAY_LOG_LEVEL="debug",
            EDGE_LIMIT_READS="off",
            EDGE_LIMIT_MONITORING="off",
            EDGE_LIMIT_UNVERIFIED="off",
        )
        refused = await plant(mesh)
        answers = await garble(mesh)
        # Spans leave every five seconds: those of a process that is killed sooner never come.
        assert await receiver.until(lambda: len({span.process for span in receiver.spans}) == len(NAMES))
        # Without a store everything is an error, deep inside as well.
        mesh.kill("ledger")
        refused += await plant(mesh)
        async with sending_to(mesh) as sender:
            assert (await sender.send(payment("last"))).asks_again
        async with aiohttp.ClientSession() as session, session.get(f"http://{mesh.admin}/metrics") as response:
            metrics = await response.text()
    assert len(refused) > 30
    assert [found_in(answer) for answer in (*refused, *answers)] == [[]] * (len(refused) + len(answers))
    assert found_in(metrics) == []
    assert found_in("".join(f"{span.name} {dict(span.attributes)}" for span in receiver.spans)) == []
    for name in NAMES:
        log = mesh.log(name).read_text()
        assert found_in(log) == [], name
    assert len([line for line in mesh.log_lines("edge") if line["event"] in ("webhook", "read")]) > 60
