"""Where plaintext may be spoken: on loopback in development, and nowhere else unless somebody says so."""

from __future__ import annotations

import pytest

from edge.settings import EdgeSettings
from mesh.settings import MeshSettings
from mesh.trust import is_loopback
from services.ingest.settings import IngestSettings
from services.insight.settings import InsightSettings
from services.ledger.settings import LedgerSettings

FILES = {"tls_cert": "cert.pem", "tls_key": "key.pem", "tls_ca": "ca.pem"}
PROCESSES: dict[str, type[MeshSettings]] = {
    "EDGE": EdgeSettings,
    "INGEST": IngestSettings,
    "LEDGER": LedgerSettings,
    "INSIGHT": InsightSettings,
}


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:50051", True),
        ("127.8.9.1:50051", True),
        ("localhost:50051", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", True),
        ("ipv6:[::1]:1", True),
        ("unix:/run/ledger.sock", True),
        ("0.0.0.0:50051", False),
        ("[::]:50051", False),
        ("10.0.0.8:50051", False),
        ("ledger:50051", False),
        ("dns:///ledger-headless:50051", False),
        ("dns://10.0.0.2/localhost:50051", False),
        ("ipv4:127.0.0.1:1,10.0.0.8:2", False),
        ("localhost.example:50051", False),
    ],
)
def test_loopback_is_this_machine_alone(address: str, local: bool) -> None:
    """One address beyond this machine is enough to be beyond it."""
    assert is_loopback(address) is local


@pytest.mark.parametrize("process", PROCESSES)
def test_plaintext_on_loopback_is_for_development(process: str) -> None:
    """By default every process listens and calls on loopback, where development needs no certificates."""
    assert getattr(PROCESSES[process].load(), "tls_cert") == ""  # noqa: B009 - each process has one of its own


@pytest.mark.parametrize("process", PROCESSES)
def test_production_refuses_to_start_without_tls(process: str) -> None:
    """Without certificates production doesn't start, whoever allows plaintext; one line says what to set."""
    said = f"{process}_TLS_CERT, {process}_TLS_KEY, {process}_TLS_CA must be set in production"
    with pytest.raises(ValueError, match=said) as raised:
        PROCESSES[process].load(environment="production", allow_plaintext=True, **_further(process))
    assert "\n" not in str(raised.value)
    assert PROCESSES[process].load(environment="production", **FILES, **_further(process)).production


@pytest.mark.parametrize(
    ("process", "field", "address"),
    [
        ("EDGE", "ingest_target", "dns:///ingest:50051"),
        ("EDGE", "ledger_target", "10.0.0.8:50052"),
        ("INGEST", "bind", "0.0.0.0:50051"),
        ("INGEST", "insight_target", "insight:50053"),
        ("LEDGER", "bind", "[::]:50052"),
        ("INSIGHT", "ledger_target", "dns:///ledger:50052"),
    ],
)
def test_plaintext_beyond_loopback_is_refused(process: str, field: str, address: str) -> None:
    """An address beyond loopback needs certificates, or somebody who says that a service mesh encrypts."""
    settings = PROCESSES[process]
    with pytest.raises(ValueError, match=f"{process}_[A-Z_]+ is .*, beyond loopback, where plaintext is refused"):
        settings.load(**{field: address})
    for allowed in ({"allow_plaintext": True}, FILES):
        assert getattr(settings.load(**{field: address}, **allowed), field) == address


@pytest.mark.parametrize("missing", FILES)
def test_a_part_of_the_files_is_refused(missing: str) -> None:
    """Certificate, key and authorities belong together; what isn't set is named."""
    some = {name: path for name, path in FILES.items() if name != missing}
    with pytest.raises(ValueError, match=f"belong together; not set: LEDGER_{missing.upper()}$"):
        LedgerSettings.load(**some)


def _further(process: str) -> dict[str, object]:
    """What else production demands of a process."""
    return {"in_body_signatures": False} if process == "EDGE" else {}
