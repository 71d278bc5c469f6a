"""Certificates that a provider signs with: fetched over HTTPS, once, within bounds, and never from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from edge import certificates
from edge.certificates import Certificates
from mesh.errors import Fault
from providers.contract import Provider
from tests.fakes.acme import CERTIFICATE_HOST, CertifiedAcme
from tests.https_site import Site, serving
from tests.unit.edge.rig import Edge, Got, running_edge

PROVIDERS: dict[str, Provider] = {"acme": CertifiedAcme()}
CHAIN = b"the chain"
URL = f"https://{CERTIFICATE_HOST}/one.pem"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """The host that the provider names."""
    async with serving(CERTIFICATE_HOST, tmp_path, CHAIN) as running:
        yield running


@pytest.fixture
async def fetched(site: Site) -> AsyncIterator[Certificates]:
    """Certificates that are fetched from it."""
    async with aiohttp.ClientSession(connector=site.connector()) as session:
        yield Certificates(session)


async def refused(fetched: Certificates, url: str = URL) -> Fault:
    """Return the fault with which a fetch ends."""
    with pytest.raises(Fault) as raised:
        await fetched.chain(url)
    return raised.value


async def deliver(edge: Edge, url: str = URL, signature: bytes = CHAIN) -> Got:
    """Send a delivery signed by certificate."""
    headers = {"X-Acme-Certificate": url, "X-Acme-Signature": signature.decode()}
    return await edge.deliver(b"anything", path="/webhooks/acme", headers=headers)


async def test_a_certificate_is_fetched_once_for_many_deliveries(site: Site) -> None:
    """Deliveries that come together wait for one fetch, those after it for none."""
    async with running_edge(
        providers=PROVIDERS, certificates=site.connector(), webhook_secrets={"ACME": "id"}, hmac_secret_key=""
    ) as edge:
        together = await asyncio.gather(*(deliver(edge) for _ in range(20)))
        assert {got.status for got in (*together, await deliver(edge))} == {200}
        assert (site.paths, site.resolved) == (["/one.pem"], [CERTIFICATE_HOST])
        assert (await deliver(edge, signature=b"another")).status == 403


@pytest.mark.parametrize(
    "url", ["https://evil.example/one.pem", f"http://{CERTIFICATE_HOST}/one.pem", "https://127.0.0.1/one.pem", "x"]
)
async def test_another_host_is_refused_without_any_connection(site: Site, url: str) -> None:
    """A URL that the provider does not vouch for is 403, and no name is looked up and nothing connected to."""
    async with running_edge(
        providers=PROVIDERS, certificates=site.connector(), webhook_secrets={"ACME": "id"}, hmac_secret_key=""
    ) as edge:
        assert (await deliver(edge, url)).status == 403
    assert (site.paths, site.resolved) == ([], [])


async def test_a_certificate_that_can_not_be_had_is_503(site: Site) -> None:
    """Nothing is known of the delivery then: it is to be sent again, not refused for good."""
    async with running_edge(
        providers=PROVIDERS, certificates=site.connector(), webhook_secrets={"ACME": "id"}, hmac_secret_key=""
    ) as edge:
        site.port = 1
        got = await deliver(edge)
    assert (got.status, got.json["reason"], got.headers["Retry-After"]) == (503, "DEPENDENCY_DOWN", "5")


@pytest.mark.parametrize("status", [404, 500, 301])
async def test_whatever_is_not_200_is_no_certificate(site: Site, fetched: Certificates, status: int) -> None:
    """An error or a redirect is not followed and not believed, and is not asked for again at once."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "https://evil.example/"})

    site.answer = answer
    await refused(fetched)
    await refused(fetched)
    assert (site.paths, site.resolved) == (["/one.pem"], [CERTIFICATE_HOST])


async def test_a_certificate_has_a_size(site: Site, fetched: Certificates) -> None:
    """An endless answer is given up at 64 KiB."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * (certificates._BYTES_MAX + 1))

    site.answer = answer
    await refused(fetched)


async def test_a_fetch_has_a_deadline(site: Site, fetched: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer is given up; whoever waited is told to send it again."""
    monkeypatch.setattr(certificates, "_FETCH_S_MAX", 0.05)

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    site.answer = answer
    assert (await refused(fetched)).reason == "DEPENDENCY_DOWN"


async def test_only_so_many_are_fetched_at_once(site: Site, fetched: Certificates) -> None:
    """Made-up URLs can't open connections without end: the fifth is told to come again."""
    gate = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response(body=CHAIN)

    site.answer = answer
    waiting = [asyncio.ensure_future(fetched.chain(f"{URL}?{count}")) for count in range(4)]
    await asyncio.sleep(0)
    assert "Too many" in (await refused(fetched)).message
    gate.set()
    assert await asyncio.gather(*waiting) == [CHAIN] * 4


async def test_who_hangs_up_ends_no_fetch_of_others(site: Site, fetched: Certificates) -> None:
    """One of two waiting for a certificate is cancelled; the other gets it."""
    one, other = (asyncio.ensure_future(fetched.chain(URL)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == CHAIN
    assert site.paths == ["/one.pem"]


async def test_made_up_urls_push_out_no_certificate_that_verified(site: Site, fetched: Certificates) -> None:
    """What has verified a delivery stays, however many other URLs are named afterwards; all of it is bounded."""
    await fetched.chain(URL)
    fetched.believe(URL)
    for count in range(certificates._TRIED_MAX + 10):
        await fetched.chain(f"https://{CERTIFICATE_HOST}/{count}.pem")
    await fetched.chain(URL)
    assert site.paths.count("/one.pem") == 1
    assert len(fetched._tried) == certificates._TRIED_MAX


async def test_plain_http_is_never_fetched(site: Site, fetched: Certificates) -> None:
    """Whatever a provider says, a certificate comes over HTTPS."""
    await refused(fetched, f"http://{CERTIFICATE_HOST}/one.pem")
    assert site.resolved == []
