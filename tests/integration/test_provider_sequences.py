"""Whole lives of payments, as each provider signs and sends them, through the real mesh into real documents."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import pytest

from autopay_cli.embedded_mongo import EmbeddedMongo
from autopay_cli.recipes import signing_certificates
from autopay_cli.recipes.signing import Request
from autopay_cli.recipes.signing_certificates import CertificateRecipe
from providers import money
from providers.sources import path_of, variable_of
from tests.conformance import vectors
from tests.conformance.vectors import Course, Delivery, Vectors
from tests.connect_proxy import Proxied, proxied_site
from tests.mesh_audit import auditing
from tests.mesh_processes import API_KEY, RunningMesh, running_mesh
from tests.servers import bare_environment, fresh_database

_DECLINED: Final = re.compile(r"declined|failed|refused|denied").match
_TOTALS: Final = ("authorized", "captured", "refunded", "disputed")
# An event that waited for its payment is recorded a moment after it.
_SETTLED_S_MAX: Final = 20.0


@dataclass(frozen=True, slots=True)
class Life:
    """One sequence of a file, at a source of its own with one of the file's secrets."""

    source: str
    file: Vectors
    course: Course
    secret: str
    roots: str = ""

    def request(self, delivery: Delivery) -> Request:
        """The delivery signed now, with the headers that no signature covers."""
        request = self.file.recipe.sign(delivery.body, self.secret, at=int(time.time()))
        for name, value in delivery.unsigned:
            request = request.having(name, value)
        return request

    def replay(self, delivery: Delivery) -> Request:
        """The same again, under other values of every header that is kept and not signed."""
        request = self.request(delivery)
        signed = {name.lower() for name in self.file.recipe.headers}
        for name in self.file.provider.kept_headers:
            if name not in signed and name != "content-type":
                request = request.having(name, "another-one")
        return request

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """What is sent, in order."""
        return [self.file.deliveries[name] for name in self.course.deliveries]

    @property
    def tx_id(self) -> str:
        """The payment."""
        return next(event.tx_id for each in self.deliveries for event in each.events if event.tx_id)

    @property
    def table(self) -> str:
        """The source, in the sources file."""
        options = json.loads((vectors.DIRECTORY / f"{self.file.name}.json").read_text()).get("options", {})
        lines = [f"[sources.{self.source}]", f"provider = {_toml(self.file.provider.name)}"]
        if "url" in options:
            lines.append(f"url = {_toml(options['url'])}")
        if "live" in options:
            lines.append(f"mode = {_toml('live' if options['live'] else 'test')}")
        if table := {**options.get("table", {}), **({"extra_roots": self.roots} if self.roots else {})}:
            lines.append(f"options = {_toml(table)}")
        return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _lives() -> Iterator[Life]:
    """The longest sequence of each file, and one that begins with a decline, where there is one."""
    for name in vectors.names():
        file = vectors.load(name)
        longest = max(file.sequences, key=lambda course: len(course.deliveries))
        declined = next((course for course in file.sequences if _DECLINED(course.name)), longest)
        yield Life(f"{name}-life", file, longest, file.secrets.current.value)
        yield Life(f"{name}-declined", file, declined, file.secrets.previous.value)


LIVES: Final = list(_lives())


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority of today, and PayPal's site with a certificate by it, behind a proxy."""

    pem: str
    site: Proxied
    trusted: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """What vouches for PayPal here, and where its certificate is fetched."""
    recipe, now, day = vectors.load("paypal").recipe, datetime.now(UTC), timedelta(days=1)
    assert isinstance(recipe, CertificateRecipe)
    directory = tmp_path_factory.mktemp("paypal")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signing_certificates, "NOW", now)
        own = signing_certificates.authority("An authority of today")
    chain = signing_certificates.issued(
        own, signing_certificates.rsa_key(), [recipe.host], since=now - day, until=now + day
    )
    host = urlsplit(recipe.templates["PAYPAL-CERT-URL"]).hostname or ""
    with proxied_site(host, directory, chain) as site:
        yield Authority(own.pem.decode(), site, directory / f"{host}.pem")


@pytest.fixture(scope="module")
def mesh(
    mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[RunningMesh]:
    """A mesh with a source for every life, which fetches PayPal's certificate through a proxy."""
    paypal = {life.source for life in LIVES if life.file.provider.name == "paypal"}
    environment = {
        "AUTOPAY_SOURCES": "\n".join(
            replace(life, roots=authority.pem if life.source in paypal else "").table for life in LIVES
        ),
        "EDGE_CERTIFICATE_PROXY": authority.site.url,
        "SSL_CERT_FILE": str(authority.trusted),
        "EDGE_LIMIT_UNVERIFIED": "off",
        "EDGE_LIMIT_READS": "off",
        **{f"WEBHOOK_SECRET_{variable_of(life.source)}": life.secret for life in LIVES},
    }
    directory = tmp_path_factory.mktemp("mesh")
    with fresh_database(mongo_server) as url, running_mesh(url, directory, environment) as running:
        yield running


@pytest.fixture
async def session(mesh: RunningMesh) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the mesh's edge."""
    async with aiohttp.ClientSession(mesh.url, headers={"X-API-Key": API_KEY}) as opened:
        yield opened


async def send(session: aiohttp.ClientSession, life: Life, request: Request) -> tuple[int, bytes]:
    """Post a request to a life's source."""
    headers = {"Content-Type": "application/json", **dict(request.headers)}
    async with session.post(path_of(life.source), data=request.body, headers=headers) as response:
        return response.status, await response.read()


async def standing(session: aiohttp.ClientSession, life: Life) -> Mapping[str, Any]:
    """How the payment stands, in the words of the file and in minor units."""
    async with session.get(f"/transaction/{life.tx_id}", params={"source": life.source}) as response:
        told = await response.json()
        assert response.status == 200, told
    exponent = money.EXPONENTS[told["currency"]]
    totals = {name: int(Decimal(told["totals"][name]).scaleb(exponent)) for name in _TOTALS}
    return {**told, **totals}


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.source)
async def test_a_life_ends_in_the_right_document(mesh: RunningMesh, session: aiohttp.ClientSession, life: Life) -> None:
    """Every delivery is acknowledged as its provider expects, again under new ids, and the document is right."""
    declined = life.source.endswith("-declined")
    order = life.deliveries[::-1] if declined else life.deliveries
    requests = [*(life.request(each) for each in order), *(life.replay(each) for each in order)]
    for request in requests:
        status, answer = await send(session, life, request)
        assert status == 200, answer
        if not life.file.provider.native:
            assert answer == life.file.provider.acknowledgement.body
    ends: dict[str, object] = {**dict.fromkeys(_TOTALS, 0), "flags": [], **life.course.ends}
    deadline = time.monotonic() + _SETTLED_S_MAX
    while True:
        stands = await standing(session, life)
        if {name: stands.get(name) for name in ends} == ends or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    assert {name: stands.get(name) for name in ends} == ends
    with auditing(mesh.mongo_url) as audit:
        became = set(audit.deliveries.distinct("disposition", {"_id": {"$regex": f"^{life.source}:"}}))
    # An acknowledged conflict, or one still waiting, would be money that the document doesn't show.
    assert became
    assert became <= {"recorded", "duplicate", "ignored"}


@pytest.mark.parametrize("life", LIVES[::2], ids=lambda life: life.source)
async def test_what_is_altered_or_signed_for_another_source_is_refused(
    session: aiohttp.ClientSession, life: Life
) -> None:
    """A changed body, and the secret of the provider's other source, are a 403; the payment stays as it was."""
    request = life.request(life.file.first)
    altered = request.body.replace(b'"', b"'", 1)
    assert (await send(session, life, Request(body=altered, headers=request.headers)))[0] == 403
    foreign = LIVES[LIVES.index(life) + 1].request(life.file.first)
    assert (await send(session, life, foreign))[0] == 403


async def command(mesh: RunningMesh, life: Life, *words: str) -> tuple[int | None, str]:
    """Run `autopay` with a life's source configured as the mesh has it; return exit code and output."""
    variables = {
        **bare_environment(),
        "AUTOPAY_SOURCES": life.table,
        f"WEBHOOK_SECRET_{variable_of(life.source)}": life.secret,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "autopay_cli",
        *words,
        "--source",
        life.source,
        env=variables,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


PLAYED: Final = [life for life in LIVES if life.source in {"adyen-life", "hmac-dated-life", "stripe-life"}]


@pytest.mark.parametrize("life", PLAYED, ids=lambda life: life.source)
async def test_a_mock_sender_plays_a_configured_source(mesh: RunningMesh, life: Life) -> None:
    """With nothing but the source's name every answer is the expected one, and each payment is a new document."""
    url = mesh.url + path_of(life.source)

    def payments() -> int:
        with auditing(mesh.mongo_url) as audit:
            return audit.transactions.count_documents({"_id": {"$regex": f"^{life.source}:"}})

    before = payments()
    code, printed = await command(mesh, life, "simulate", "--url", url, "--count", "40", "--rate", "0", "--json")
    report = json.loads(printed)
    assert code == 0, report["unexpected"]
    assert sum(each["sent"] for each in report["scenarios"].values()) == report["sent"] == 40
    single = sum(report["scenarios"][name]["sent"] for name in ("valid", "burst"))
    # Of a duplicate's three deliveries and of a life's many there is one payment.
    assert payments() - before >= single + 2
    code, printed = await command(mesh, life, "conformance", url)
    assert code == 0, printed
    assert "every answer as it must be" in printed


def test_paypals_certificate_came_through_the_proxy(authority: Authority, mesh: RunningMesh) -> None:
    """It was fetched once for every payment above, from PayPal's own host, in a tunnel."""
    del mesh
    assert authority.site.hosts == ["api.sandbox.paypal.com:443"]
