"""The edge's composition root: one worker in this process, or a supervisor of several."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from typing import Final

from edge import https, sources
from edge.settings import EdgeSettings
from edge.supervisor import ADMIN_FD, PUBLIC_FD, supervise
from mesh import identity

_BACKLOG: Final = 4_096
_EXIT_CONFIGURATION: Final = 2
# A login shell allows 1,024: fewer than the requests that may wait, and nothing is left for the way to ingest.
_OPEN_FILES: Final = 65_536
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Start the edge with the settings of the environment."""
    _allow_open_files()
    try:
        settings = EdgeSettings.load()
        # A supervisor would start workers that can't read them again and again.
        identity.of(settings)
        https.of(settings.https_cert, settings.https_key)
        inherited = PUBLIC_FD in os.environ
        if settings.workers > 1 and not inherited:
            sources.load(settings)
        if inherited:
            _end_with_supervisor()
        public = _inherited(PUBLIC_FD) if inherited else _listen(settings.bind)
        admin = _inherited(ADMIN_FD) if inherited else _listen(settings.admin_bind)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"edge: {error}\n")
        raise SystemExit(_EXIT_CONFIGURATION) from error
    if settings.workers > 1 and not inherited:
        supervise(settings.workers, public, admin, grace_s=settings.drain_notice_s + settings.drain_grace_s + 1)
        return
    # Only a worker imports grpc; the supervisor must not have it loaded when it spawns.
    from edge.worker import serve  # noqa: PLC0415
    from mesh.lifecycle import run  # noqa: PLC0415

    run("edge", lambda: serve(settings, public, admin))


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_with_supervisor() -> None:
    """Drain when the supervisor is gone, however it went: an orphan would go on holding the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), int(port)))
    except OSError as error:
        message = f"can't listen on {address}: {error.strerror}; choose another EDGE_BIND or EDGE_ADMIN_BIND"
        raise OSError(message) from error
    listening.listen(_BACKLOG)
    listening.setblocking(False)  # noqa: FBT003 - the name says it
    return listening


def _inherited(variable: str) -> socket.socket:
    listening = socket.socket(fileno=int(os.environ[variable]))
    listening.setblocking(False)  # noqa: FBT003 - the name says it
    return listening


if __name__ == "__main__":
    main()
