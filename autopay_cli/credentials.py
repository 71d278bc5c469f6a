"""The secrets of a development mesh: the caller's where the environment has them, else made once and kept."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopay_cli.environment import value_of
from autopay_cli.failure import Failure
from autopay_cli.meshfile import replace_private

_FILE: Final = "secrets.json"
_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the mesh's callers prove themselves with.

    Attributes:
        hmac_secrets: the edge's whole list, comma-separated.
        api_keys: the edge's whole list, comma-separated.
        monitoring_key: reads the monitoring pages.
    """

    hmac_secrets: str
    api_keys: str
    monitoring_key: str

    @property
    def hmac_secret(self) -> str:
        """The first of the secrets that verify native webhooks."""
        return self.hmac_secrets.split(",")[0].strip()

    @property
    def api_key(self) -> str:
        """The first of the API keys that is given itself, and not as a hash; "" where none is."""
        keys = (each.strip() for each in self.api_keys.split(","))
        return next((each for each in keys if ":" not in each.partition(".")[0]), "")


def load(data_directory: Path, environment: Mapping[str, str]) -> Credentials:
    """Return each secret from the environment, else from the data directory, where missing ones are made.

    Raises:
        Failure: a file with secrets can't be read.
    """
    path = data_directory / _FILE
    try:
        kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise Failure(f"{path} can't be read ({error}). Delete it, and new secrets are made.") from error
    made = {
        "hmac_secret": secrets.token_hex(_BYTES),
        "api_keys": f"local.{secrets.token_hex(_BYTES)}",
        "monitoring_key": secrets.token_hex(_BYTES),
        **kept,
    }
    if made != kept:
        replace_private(path, json.dumps(made, indent=2) + "\n")
    return Credentials(
        hmac_secrets=value_of("HMAC_SECRET_KEY", environment) or made["hmac_secret"],
        api_keys=value_of("EDGE_API_KEYS", environment) or made["api_keys"],
        monitoring_key=value_of("MONITORING_API_KEY", environment) or made["monitoring_key"],
    )
