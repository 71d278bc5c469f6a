"""A process's certificate: read, checked, followed when it changes, kept when the new one can't be used."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mesh.identity import is_spiffe_id, read, sibling
from tests.certificates import files_of, identity_of, make, name_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with certificates."""
    return make(tmp_path / "certs")


def test_the_material_knows_its_name_and_its_end(home: Path) -> None:
    """What was read tells the SPIFFE id and the time at which the certificate ends."""
    material = read(files_of(home, "ledger"))
    assert material.name == name_of("ledger")
    assert timedelta(days=1) < material.expires_at - datetime.now(UTC) <= timedelta(days=2)


@pytest.mark.parametrize("missing", ["ledger.pem", "ledger.key", "ca.pem"])
def test_a_missing_file_is_named(home: Path, missing: str) -> None:
    """A file that can't be read stops the start with its path."""
    (home / missing).unlink()
    with pytest.raises(ValueError, match=rf"{missing} can't be read: No such file"):
        identity_of(home, "ledger")


@pytest.mark.parametrize("broken", ["ledger.pem", "ledger.key", "ca.pem"])
def test_a_file_that_is_no_pem_is_named_and_not_quoted(home: Path, broken: str) -> None:
    """The message names the file and repeats nothing of its content."""
    (home / broken).write_text("-----BEGIN NONSENSE-----\nc2VjcmV0\n")
    with pytest.raises(ValueError, match=f"{broken} is not the PEM file") as raised:
        identity_of(home, "ledger")
    assert "c2VjcmV0" not in str(raised.value)


def test_a_key_of_another_certificate_is_refused(home: Path) -> None:
    """Certificate and key must be a pair."""
    shutil.copy(home / "edge.key", home / "ledger.key")
    with pytest.raises(ValueError, match=r"ledger\.key is not the key of the certificate"):
        identity_of(home, "ledger")


def test_a_kind_of_key_that_grpc_does_not_take_is_refused(home: Path) -> None:
    """A pair that no handshake would succeed with stops the start instead."""
    key = Ed25519PrivateKey.generate()
    (home / "ledger.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="must be an elliptic-curve or RSA key"):
        identity_of(home, "ledger")


def test_an_expired_certificate_is_refused(home: Path) -> None:
    """A certificate that nobody would believe stops the start."""
    make(home, renew=True, now=datetime.now(UTC) - timedelta(days=3))
    with pytest.raises(ValueError, match="which is not now"):
        identity_of(home, "ledger")


def test_nothing_changed_is_nothing_new(home: Path) -> None:
    """Looking again at the same files changes nothing and tells nobody."""
    identity = identity_of(home, "ledger")
    before = identity.material
    assert not identity.refresh()
    (home / "ledger.pem").touch()
    assert not identity.refresh()
    assert identity.material is before


async def test_a_renewed_certificate_is_followed(home: Path) -> None:
    """New files become the material, and who asked is told once."""
    identity, told = identity_of(home, "ledger"), list[str]()
    identity.follow(lambda: told.append(identity.name))
    before = identity.material
    make(home, renew=True)
    assert identity.refresh()
    assert identity.material.certificate == (home / "ledger.pem").read_bytes() != before.certificate
    assert told == [name_of("ledger")]


def test_a_pair_half_written_keeps_the_old_one_until_it_is_whole(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A new certificate without its key is passed over, said once, and taken as soon as the key is there, too."""
    identity = identity_of(home, "ledger")
    before = identity.material
    old = {name: (home / name).read_bytes() for name in ("ledger.pem", "ledger.key")}
    make(home, renew=True)
    new_key = (home / "ledger.key").read_bytes()
    (home / "ledger.key").write_bytes(old["ledger.key"])
    with caplog.at_level(logging.WARNING):
        assert not identity.refresh()
        assert not identity.refresh()
    assert identity.material is before
    assert caplog.text.count("goes on with the certificate it has") == 1
    (home / "ledger.key").write_bytes(new_key)
    assert identity.refresh()
    assert identity.material.key == new_key


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_an_unreadable_new_certificate_keeps_the_old_one(home: Path, content: bytes | None) -> None:
    """A certificate that vanishes, is emptied or destroyed changes nothing for a process that runs."""
    identity = identity_of(home, "ledger")
    before = identity.material
    if content is None:
        (home / "ledger.pem").unlink()
    else:
        (home / "ledger.pem").write_bytes(content)
    assert not identity.refresh()
    assert identity.material is before


def test_a_swapped_symlink_is_a_change(tmp_path: Path) -> None:
    """Kubernetes renews a mounted secret by swapping the link `..data`: same paths, same sizes, other files."""
    versions = [make(tmp_path / "v1")]
    versions.append(shutil.copytree(versions[0], tmp_path / "v2"))
    make(versions[1], renew=True)
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "..data").symlink_to(versions[0])
    for name in ("ledger.pem", "ledger.key", "ca.pem"):
        (mount / name).symlink_to(Path("..data") / name)
    identity = identity_of(mount, "ledger")
    (mount / "..data_tmp").symlink_to(versions[1])
    (mount / "..data_tmp").rename(mount / "..data")
    assert identity.refresh()
    assert identity.material.certificate == (versions[1] / "ledger.pem").read_bytes()


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("spiffe://autopay/sa/edge", True),
        ("spiffe://autopay.example/ns/default/sa/edge", True),
        ("spiffe://autopay", False),
        ("spiffe://autopay/", False),
        ("spiffe://autopay/sa/", False),
        ("spiffe://autopay/../edge", False),
        ("spiffe://autopay/./edge", False),
        ("spiffe://AutoPay/sa/edge", False),
        ("spiffe://autopay/sa/edge?x=1", False),
        ("spiffe://autopay/sa/edge\n", False),
        ("https://autopay/sa/edge", False),
        ("spiffe://autopay/" + "a" * 2_048, False),
        ("", False),
    ],
)
def test_a_spiffe_id_is_a_trust_domain_and_a_path(text: str, good: bool) -> None:
    """Only what SPIFFE allows is a name."""
    assert is_spiffe_id(text) is good


def test_a_sibling_differs_in_the_process_alone() -> None:
    """Trust domain, namespace and what stands before the process's name are the own ones."""
    own = "spiffe://autopay/ns/payments/sa/autopay-ledger"
    assert sibling(own, "ledger", "edge") == "spiffe://autopay/ns/payments/sa/autopay-edge"
    with pytest.raises(ValueError, match="doesn't end in 'ingest'"):
        sibling(own, "ingest", "edge")
