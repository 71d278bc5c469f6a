"""The conformance kit against our own edge, for every provider: each case is answered as it must be."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from autopay_cli.conformance.asking import Result, ask, fits
from autopay_cli.conformance.cases import Expected, cases
from autopay_cli.recipes import samples, signing_certificates
from autopay_cli.recipes.signing import Request
from autopay_cli.recipes.signing_certificates import CertificateRecipe, authority, issued, rsa_key
from providers import registry
from tests.conformance import vectors
from tests.https_site import serving
from tests.unit.edge.rig import Edge, running_edge

EVERY = (
    "valid", "rotated", "tampered", "truncated", "re-encoded", "unsigned", "foreign secret", "wrong algorithm",
    "garbage signature", "duplicate header", "stale", "future", "bad UTF-8", "replayed under another id",
)  # fmt: skip
SOURCE = "under-test"


def toml(value: object) -> str:
    """Return a JSON value in TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def configuration(name: str, **more: str) -> dict[str, Any]:
    """Return the settings of an edge with the source that a sample needs."""
    file, options = vectors.load(name), samples.load(name).options
    lines = [f"[sources.{SOURCE}]", f"provider = {json.dumps(file.provider.name)}"]
    if options.get("url"):
        lines.append(f"url = {json.dumps(options['url'])}")
    if "live" in options:
        lines.append(f"mode = {json.dumps('live' if options['live'] else 'test')}")
    # The process itself brings public authorities; the recipe's own is one more.
    own = {"extra_roots" if key == "roots" else key: value for key, value in file.recipe.options.items()}
    lines.append(f"options = {toml({**options.get('table', {}), **own, **more})}")
    secrets = ",".join(secret.value for secret in file.secrets)
    return {
        "sources": "\n".join(lines),
        "webhook_secrets": {SOURCE.upper().replace("-", "_"): secrets},
        "hmac_secret_key": "",
    }


def url_of(edge: Edge) -> str:
    """Return where the source's webhooks are sent to."""
    return f"http://{edge.host}:{edge.port}/webhooks/{SOURCE}"


async def results(edge: Edge, name: str, *, secrets: list[str] | None = None) -> Mapping[str, Result]:
    """Run the kit as the command does."""
    sample, file = samples.load(name), vectors.load(name)
    given = secrets or [secret.value for secret in file.secrets]
    prepared = cases(sample, given, now_s=int(time.time()), kept_headers=file.provider.kept_headers)
    return {result.case: result for result in await ask(url_of(edge), prepared)}


def test_there_is_a_sample_for_every_provider() -> None:
    """A provider that has vectors is one that the kit can test."""
    assert {samples.load(name).provider for name in samples.names()} == set(registry.load())


@pytest.mark.parametrize("name", samples.names())
async def test_our_own_edge_conforms(name: str) -> None:
    """Every case of every provider is answered as a receiver must; what does not apply says why."""
    async with running_edge(**configuration(name)) as edge:
        found = await results(edge, name)
        accepted = len(edge.ingest.deliveries)
        crashes = [line for line in edge.lines() if line["level"] == "error"]
    assert {case: result.got for case, result in found.items() if not result.ok} == {}
    assert crashes == []
    if found["valid"].skipped:
        return
    assert tuple(found) == EVERY
    assert found["valid"].got == found["rotated"].got == "200"
    assert {found[case].got for case in ("stale", "future")} <= {"408", ""}
    assert all(result.got or result.skipped for result in found.values())
    assert accepted == sum(result.got == "200" for result in found.values())


async def test_paypal_verifies_by_the_certificate_that_the_edge_fetches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery signed by a certificate of the test's own authority is accepted; from another host nothing is read."""
    file, now = vectors.load("paypal"), datetime.now(UTC)
    assert isinstance(file.recipe, CertificateRecipe)
    monkeypatch.setattr(signing_certificates, "NOW", now)
    own = authority("An authority of today")
    day = timedelta(days=1)
    chain = issued(own, rsa_key(), [file.recipe.host], since=now - day, until=now + day)
    request = file.recipe.sign(file.first.body, file.secrets.current.value, at=int(now.timestamp()))
    url = request.value("PAYPAL-CERT-URL")
    host = urlsplit(url).hostname or ""
    trusting = configuration("paypal", extra_roots=own.pem.decode())
    async with (
        serving(host, tmp_path, chain) as site,
        running_edge(certificates=site.connector(), **trusting) as edge,
    ):

        async def status(sent: Request) -> int:
            return (await edge.deliver(sent.body, path=f"/webhooks/{SOURCE}", headers=dict(sent.headers))).status

        foreign = url.replace(host, f"{host}.example")
        assert await status(request.having("PAYPAL-CERT-URL", foreign)) == 403
        assert site.resolved == []
        assert await status(request) == 200
        assert site.resolved == [host]
        assert await status(replace(request, body=request.body + b" ")) == 403
        assert len(edge.ingest.deliveries) == 1


async def test_a_receiver_that_believes_everything_fails() -> None:
    """A kit that could not find a bad receiver would be worth nothing: each forged case is found."""
    from aiohttp import web  # noqa: PLC0415 - the one test that needs a server of its own

    async def believe(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", believe)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        prepared = cases(samples.load("stripe"), ["whsec_x" * 5], now_s=int(time.time()))
        found = await ask(f"http://127.0.0.1:{runner.addresses[0][1]}/", prepared)
    finally:
        await runner.cleanup()
    wrong = {result.case for result in found if not result.ok}
    assert wrong == set(EVERY) - {"valid", "rotated", "bad UTF-8", "replayed under another id"}


async def test_a_receiver_with_another_secret_fails() -> None:
    """Where the secrets differ the valid case is refused, which is unexpected."""
    async with running_edge(**configuration("paystack")) as edge:
        found = await results(edge, "paystack", secrets=["of somebody else"])
    assert (found["valid"].ok, found["valid"].got) == (False, "403")
    assert found["rotated"].skipped


async def test_the_command_prints_a_table_or_json_and_exits_by_the_answers() -> None:
    """Exit 0 when every answer is as it must be, 1 when one is not; 404 everywhere is no proof of anything."""
    async with running_edge(**configuration("standardwebhooks")) as edge:
        secret = ",".join(each.value for each in vectors.load("standardwebhooks").secrets)

        async def run(url: str, *options: str) -> tuple[int | None, str]:
            arguments = ["conformance", url, "--provider", "standardwebhooks", "--secret", secret, *options]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "autopay_cli", *arguments, stdout=asyncio.subprocess.PIPE
            )
            printed, _ = await process.communicate()
            return process.returncode, printed.decode()

        (code, table), (other, report) = await asyncio.gather(run(url_of(edge)), run(url_of(edge) + "-not", "--json"))
    assert code == 0
    assert "re-encoded" in table
    assert "every answer as it must be" in table
    assert secret not in table
    assert other == 1
    parsed = json.loads(report)
    assert parsed["ok"] is False
    assert {case["got"] for case in parsed["cases"] if not case["skipped"]} == {"404"}


@pytest.mark.parametrize(
    ("status", "expected", "ok"),
    [
        (200, Expected.ACCEPTED, True),
        (204, Expected.ACCEPTED, True),
        (302, Expected.ACCEPTED, False),
        (403, Expected.ACCEPTED, False),
        (401, Expected.REFUSED, True),
        (429, Expected.REFUSED, True),
        (404, Expected.REFUSED, False),
        (200, Expected.REFUSED, False),
        (500, Expected.REFUSED, False),
        (422, Expected.ANSWERED, True),
        (200, Expected.ANSWERED, True),
        (503, Expected.ANSWERED, False),
    ],
)
def test_answers_are_judged_by_their_class(status: int, expected: Expected, ok: bool) -> None:
    """Any 2xx accepts and any 4xx but a wrong address refuses; an error of the server does neither."""
    assert fits(status, expected) is ok
