"""What `autopay up` is going to run: addresses, secrets and the environment of each process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopay_cli import addresses
from autopay_cli.certificates_directory import environment_of
from autopay_cli.credentials import Credentials
from autopay_cli.failure import Failure
from autopay_cli.processes import Child

# In the order in which they are stopped: who takes requests first, who stores them last.
MODULES: Final[Mapping[str, str]] = {
    "edge": "edge",
    "ingest": "services.ingest",
    "insight": "services.insight",
    "ledger": "services.ledger",
}
# A process gets the secrets it needs and no others.
_READERS: Final[Mapping[str, frozenset[str]]] = {
    "HMAC_SECRET_KEY": frozenset({"edge"}),
    "EDGE_API_KEYS": frozenset({"edge"}),
    "EDGE_LIMIT_STORAGE": frozenset({"edge"}),
    "EDGE_PAYPAL_WEBHOOK_ID": frozenset({"edge"}),
    "MONITORING_API_KEY": frozenset({"edge"}),
    "GEMINI_API_KEY": frozenset({"insight"}),
    "GOOGLE_API_KEY": frozenset({"insight"}),
    "LEDGER_BODY_KEYS": frozenset({"ledger"}),
    "MONGO_URL": frozenset({"insight", "ledger"}),
}
_SECRETS_OF_SOURCES: Final = "WEBHOOK_SECRET_"
_FILE_SUFFIX: Final = "_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the processes listen, each as host:port."""

    edge: str
    edge_admin: str
    ingest: str
    ledger: str
    insight: str


def claim(*, edge: str, ingest: str, ledger: str, insight: str) -> Places:
    """Return the addresses asked for, with free ports in place of 0.

    Raises:
        Failure: one is malformed or taken, or two are the same.
    """
    asked = {"--edge": edge, "--ingest": ingest, "--ledger": ledger, "--insight": insight}
    claimed: dict[str, str] = {}
    for option, text in asked.items():
        place = addresses.claim(text, option=option)
        twin = next((other for other, taken in claimed.items() if taken == place), None)
        if twin:
            raise Failure(f"{twin} and {option} are both {place}: give each process an address of its own.")
        claimed[option] = place
    used = {addresses.parse(place, option=option)[1] for option, place in claimed.items()}
    admin = next(port for port in addresses.free_ports(len(used) + 1) if port not in used)
    return Places(
        edge=claimed["--edge"],
        edge_admin=f"127.0.0.1:{admin}",
        ingest=claimed["--ingest"],
        ledger=claimed["--ledger"],
        insight=claimed["--insight"],
    )


def children(
    places: Places,
    credentials: Credentials,
    *,
    mongo_url: str,
    environment: Mapping[str, str],
    logs: Path,
    certificates: Path | None = None,
) -> Sequence[Child]:
    """Return the mesh's processes, not started, in the order in which they are stopped.

    They speak mutual TLS with the `certificates` of a directory that `autopay certs` filled, plaintext without.
    """
    whole = {
        **environment,
        "EDGE_BIND": places.edge,
        "EDGE_ADMIN_BIND": places.edge_admin,
        "EDGE_INGEST_TARGET": places.ingest,
        "EDGE_LEDGER_TARGET": places.ledger,
        "EDGE_INSIGHT_TARGET": places.insight,
        "EDGE_API_KEYS": credentials.api_keys,
        "HMAC_SECRET_KEY": credentials.hmac_secrets,
        "MONITORING_API_KEY": credentials.monitoring_key,
        "INGEST_BIND": places.ingest,
        "INGEST_LEDGER_TARGET": places.ledger,
        "INGEST_INSIGHT_TARGET": places.insight,
        "INSIGHT_BIND": places.insight,
        "INSIGHT_LEDGER_TARGET": places.ledger,
        "LEDGER_BIND": places.ledger,
        "LEDGER_ANALYSIS_POLICY": environment.get("LEDGER_ANALYSIS_POLICY") or _analysis_policy(environment),
        "MONGO_URL": mongo_url,
        # A directory named `services` where the command was started is not ours.
        "PYTHONSAFEPATH": "1",
    }
    return [
        Child(
            name,
            (sys.executable, "-m", module),
            log=logs / f"{name}.log",
            environment={
                **_environment_of(name, whole),
                **(environment_of(certificates, name) if certificates else {}),
            },
        )
        for name, module in MODULES.items()
    ]


def _analysis_policy(environment: Mapping[str, str]) -> str:
    """Return what the ledger queues for analysis: everything where a model explains it, nothing where none does."""
    keys = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    has_key = any(environment.get(name) or environment.get(name + _FILE_SUFFIX) for name in keys)
    return "all" if has_key and environment.get("INSIGHT_EXPLAINER") != "rules" else "off"


def _environment_of(process: str, whole: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in whole.items() if _reads(process, name)}


def _reads(process: str, name: str) -> bool:
    if name.startswith(_SECRETS_OF_SOURCES):
        return process == "edge"
    return process in _READERS.get(name.removesuffix(_FILE_SUFFIX), (process,))
