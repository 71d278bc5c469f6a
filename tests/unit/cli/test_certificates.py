"""`autopay certs`: made once, kept while good, renewed when asked, private."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from autopay_cli.__main__ import application
from autopay_cli.certificates import NAMES, Issued, issue
from autopay_cli.failure import Failure

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def issued(
    directory: Path, *, days: int = 30, domain: str = "autopay", renew: bool = False, now: datetime = NOW
) -> list[Issued]:
    """Ask for certificates."""
    return list(issue(directory, days=days, trust_domain=domain, renew=renew, now=now))


def test_each_process_gets_a_certificate_with_its_names(tmp_path: Path) -> None:
    """SPIFFE id, the process's DNS name and those of this machine; signed by the directory's authority."""
    found = issued(tmp_path)
    assert [one.name for one in found] == list(NAMES)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    for one in found:
        certificate = x509.load_pem_x509_certificate(one.certificate.read_bytes())
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://autopay/sa/{one.name}"]
        assert names.get_values_for_type(x509.DNSName) == ["localhost", one.name]
        assert one.expires_at == NOW + timedelta(days=30)
        assert one.fresh


def test_keys_are_private(tmp_path: Path) -> None:
    """Nobody but the owner reads a key or looks into the directory."""
    home = tmp_path / "certs"
    issued(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.glob("*.key")} == {0o600}
    assert len(list(home.iterdir())) == 2 * (len(NAMES) + 1)


def test_asked_again_good_ones_are_kept(tmp_path: Path) -> None:
    """The command can be run as often as one likes."""
    issued(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert not any(one.fresh for one in issued(tmp_path, now=NOW + timedelta(days=20)))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_that_ends_soon_is_replaced(tmp_path: Path) -> None:
    """A mesh that is started with what there is doesn't lose its certificates an hour later."""
    issued(tmp_path)
    assert all(one.fresh for one in issued(tmp_path, now=NOW + timedelta(days=21)))


def test_renewing_replaces_all_but_the_authority(tmp_path: Path) -> None:
    """Processes that trust the authority follow without being told."""
    issued(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert all(one.fresh for one in issued(tmp_path, renew=True))
    kept = {path.name for path in tmp_path.iterdir() if path.read_bytes() == before[path.name]}
    assert kept == {"ca.pem", "ca.key"}


def test_what_can_not_be_used_is_replaced(tmp_path: Path) -> None:
    """An expired, damaged or foreign certificate, and one of another trust domain, is made anew."""
    issued(tmp_path)
    assert all(one.fresh for one in issued(tmp_path, now=NOW + timedelta(days=31)))
    assert all(one.fresh for one in issued(tmp_path, domain="other", now=NOW + timedelta(days=31)))
    (tmp_path / "edge.pem").write_text("garbage")
    (tmp_path / "ledger.key").write_bytes((tmp_path / "ingest.key").read_bytes())
    again = issued(tmp_path, domain="other", now=NOW + timedelta(days=31))
    assert [one.name for one in again if one.fresh] == ["edge", "ledger"]
    (tmp_path / "ca.key").unlink()
    assert all(one.fresh for one in issued(tmp_path, domain="other", now=NOW + timedelta(days=31)))


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    """An authority that would end first is replaced, and everything with it."""
    issued(tmp_path)
    before = (tmp_path / "ca.pem").read_bytes()
    assert all(one.fresh for one in issued(tmp_path, now=NOW + timedelta(days=1_810)))
    assert (tmp_path / "ca.pem").read_bytes() != before


@pytest.mark.parametrize("domain", ["", "Autopay", "a/b", "a b", "spiffe://a"])
def test_a_malformed_trust_domain_is_refused(tmp_path: Path, domain: str) -> None:
    """One sentence, and nothing is made."""
    with pytest.raises(Failure, match="--trust-domain"):
        issued(tmp_path / "certs", domain=domain)
    assert not (tmp_path / "certs").exists()


def test_a_directory_that_can_not_be_used_is_refused(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "certs").touch()
    with pytest.raises(Failure, match="name another --dir"):
        issued(tmp_path / "certs")


def test_scripts_read_json(tmp_path: Path) -> None:
    """The paths that a script needs, and what was made."""
    runner = CliRunner()
    made = json.loads(runner.invoke(application(), ["certs", "--dir", str(tmp_path), "--json"]).stdout)
    assert made["ca"] == str(tmp_path / "ca.pem")
    assert set(made["certificates"]) == set(NAMES)
    ledger = made["certificates"]["ledger"]
    assert (ledger["key"], ledger["made"]) == (str(tmp_path / "ledger.key"), True)
    shown = runner.invoke(application(), ["certs", "--dir", str(tmp_path)]).stdout
    assert "kept" in shown
    assert "spiffe://autopay/sa/ledger" in shown
