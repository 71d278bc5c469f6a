"""Which authorities a certificate may end in."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopay_cli.recipes.signing_certificates import root
from edge import sources
from edge.settings import EdgeSettings
from edge.trust_roots import system_roots
from providers import registry
from tests.conformance import vectors
from tests.conformance.verifying import refusal, verify


def test_what_the_machine_trusts_verifies_paypal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The edge gives PayPal's provider the roots of TLS: with the tests' own among them its deliveries verify."""
    file = vectors.load("paypal")
    request, secrets = file.signed(file.first), (file.secrets.current,)
    known = sources.configured(EdgeSettings.load(), registry.load())
    assert refusal(known["paypal"].provider, request, secrets) == "SIGNATURE_INVALID"
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(root().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    known = sources.configured(EdgeSettings.load(), registry.load())
    assert verify(known["paypal"].provider, request, secrets).key_id == "current"


def test_a_directory_of_authorities_is_read_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where OpenSSL has a directory and no file, and what is no certificate in it is left out."""
    (tmp_path / "0123abcd.0").write_bytes(root().pem)
    (tmp_path / "4567cdef.0").write_text("nonsense")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert system_roots() == root().pem.decode()


def test_a_machine_that_trusts_nobody_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any authority the edge serves its other sources, and PayPal's verify nothing."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    file = vectors.load("paypal")
    known = sources.configured(EdgeSettings.load(), registry.load())
    assert refusal(known["paypal"].provider, file.signed(file.first), (file.secrets.current,)) == "SIGNATURE_INVALID"
