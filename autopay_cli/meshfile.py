"""mesh.json: where the running mesh is and how to talk to it, for the other commands and for scripts."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autopay_cli.failure import Failure

NAME: Final = "mesh.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """A running mesh.

    Attributes:
        edge: the URL of the public port.
        ingest: host:port.
        ledger: host:port.
        insight: host:port.
        mongo: the connection string, with the database in its path.
        pids: process name → process ids, the supervisor of several first.
        hmac_secret: signs native webhooks.
        api_key: `id.secret`, reads payments.
        monitoring_key: reads the monitoring pages.
        certificates: the directory of the processes' certificates; "", and not in the file, where they speak plaintext.
    """

    edge: str
    ingest: str
    ledger: str
    insight: str
    mongo: str
    pids: Mapping[str, Sequence[int]]
    hmac_secret: str
    api_key: str
    monitoring_key: str
    certificates: str = ""


def write(mesh: Mesh, data_directory: Path) -> None:
    """Replace the file at once, readable by its owner only."""
    fields = dataclasses.asdict(mesh)
    if not mesh.certificates:
        del fields["certificates"]
    replace_private(data_directory / NAME, json.dumps(fields, indent=2) + "\n")


def leftovers(data_directory: Path) -> Sequence[int]:
    """Return the process ids of a mesh that was killed here and whose processes still run."""
    try:
        mesh = read(data_directory)
    except Failure:
        return ()
    return [pid for pids in mesh.pids.values() for pid in pids if _is_of_a_mesh(pid)]


def _is_of_a_mesh(pid: int) -> bool:
    # The number may belong to somebody else by now.
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.startswith(b"services.") or word == b"edge" or word.endswith(b"/mongod") for word in command)


def read(data_directory: Path) -> Mesh:
    """Return the mesh that runs with this data directory.

    Raises:
        Failure: none does, or the file is not ours.
    """
    path = data_directory / NAME
    try:
        mesh = Mesh(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise Failure(
            f"no mesh runs here: {path} does not exist. Start one with `autopay up`, or name another --data-dir."
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{path} can't be used ({error}). Start the mesh again with `autopay up`.") from None
    if not any(mesh.pids.values()):
        raise Failure(f"the mesh of {path} has ended. Start it again with `autopay up`.")
    return mesh


def replace_private(path: Path, text: str) -> None:
    """Write a file with mode 0600; readers see the old one or the new one, never a part."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
