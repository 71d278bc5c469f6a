"""TLS for the edge's own callers: a certificate that is renewed without a restart, and what stops the start."""

from __future__ import annotations

import asyncio
import io
import shutil
import ssl
from pathlib import Path

import pytest

from edge.https import Https
from edge.settings import EdgeSettings
from mesh import logs
from tests import certificates
from tests.unit.edge.rig import BODY, answer_of, running_edge
from tests.unit.edge.test_connections import head


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A certificate, its key and who signed it, for localhost."""
    return placed(tmp_path, certificates.make(tmp_path / "first"))


def placed(directory: Path, made: Path) -> tuple[Path, Path, Path]:
    """Copy the edge's certificate, key and authority to where they are read."""
    found = certificates.files_of(made, "edge")
    targets = (directory / "tls.crt", directory / "tls.key", directory / "ca.crt")
    for source, target in zip((found.certificate, found.key, found.authorities), targets, strict=True):
        shutil.copy(source, target)
    return targets


async def serial(port: int, authority: Path) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(authority))
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    writer.write(head() + BODY)
    assert (await answer_of(reader)).status == 200
    shown = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    return int(shown["serialNumber"], 16)


async def test_a_delivery_comes_over_tls_and_a_new_certificate_is_taken(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """New connections are shown the new certificate, the process goes on; files that don't fit change nothing."""
    certificate, key, authority = files
    log = logs.configure("edge", "error", io.TextIOWrapper(io.BytesIO()))
    async with running_edge(https_cert=str(certificate), https_key=str(key)) as edge:
        assert edge.https is not None
        first = await serial(edge.port, authority)
        certificate.write_bytes(
            certificates.files_of(certificates.make(tmp_path / "other"), "edge").certificate.read_bytes()
        )
        assert not edge.https.refresh(log)
        assert await serial(edge.port, authority) == first
        placed(tmp_path, certificates.make(tmp_path / "second"))
        assert edge.https.refresh(log)
        assert await serial(edge.port, authority) != first
        assert not edge.https.refresh(log)


async def test_plain_http_on_a_tls_port_ends(files: tuple[Path, Path, Path]) -> None:
    """Whoever speaks no TLS is closed without an answer, and the edge goes on."""
    certificate, key, authority = files
    async with running_edge(https_cert=str(certificate), https_key=str(key)) as edge:
        reader, writer = await edge.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in await reader.read()
        writer.close()
        assert await serial(edge.port, authority)


def test_files_that_can_not_be_used_stop_the_start(tmp_path: Path) -> None:
    """The variables are named, and nothing of the files."""
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("s3cr3t")
    for names in (("tls.crt", "tls.key"), ("absent", "tls.key")):
        with pytest.raises(ValueError, match="EDGE_HTTPS_CERT and EDGE_HTTPS_KEY") as raised:
            Https(*(tmp_path / name for name in names))
        assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("given", ["https_cert", "https_key"])
def test_one_without_the_other_is_a_wrong_setting(given: str) -> None:
    """Certificate and key belong together."""
    with pytest.raises(ValueError, match="belong together"):
        EdgeSettings.load(**{given: "/some/file"})
