"""Addresses of this machine: what HOST:PORT means, whether it is free, which port is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from autopay_cli.failure import Failure

_PORT_MAX: Final = 65_535
# Below what Linux (from 32,768) and others (from 49,152) give to outgoing connections by themselves.
_PORT_MIN: Final = 12_000
_PORT_BEFORE: Final = 32_000
_PORTS_TRIED_MAX: Final = _PORT_BEFORE - _PORT_MIN
# Linux keeps the port of a connection for a minute after its end.
_LINGER_S_MAX: Final = 62.0
_LINGER_POLL_S: Final = 0.1
_CONNECT_S_MAX: Final = 1.0


def parse(text: str, *, option: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` (an IPv6 host in brackets).

    Raises:
        Failure: it is something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > _PORT_MAX:
        raise Failure(f"{option}: expected HOST:PORT, for example 127.0.0.1:8080, not {text!r}.")
    return host, int(port)


def claim(text: str, *, option: str) -> str:
    """Return `HOST:PORT` with a free port in place of 0, having made sure that the address can be bound.

    Raises:
        Failure: the address is taken, or not one of this machine.
    """
    host, port = parse(text, option=option)
    bare, port = host.strip("[]"), port or free_ports(1)[0]
    try:
        if _is_held(bare, port):
            _outlast(bare, port)
        return f"{host}:{_bind_once(bare, port)}"
    except OSError as error:
        why = "it is taken" if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()
        raise Failure(
            f"can't listen on {text}: {why}. Stop what listens there, or choose another address with "
            f"{option} HOST:PORT (port 0 picks a free one)."
        ) from error


def _outlast(host: str, port: int) -> None:
    """Wait for the end of a connection that was given this port, and for the minute that Linux keeps it."""
    sys.stderr.write(f"A connection still holds port {port}; waiting up to {_LINGER_S_MAX:.0f} s for its end.\n")
    deadline = time.monotonic() + _LINGER_S_MAX
    while _is_held(host, port) and time.monotonic() < deadline:
        time.sleep(_LINGER_POLL_S)


def _is_held(host: str, port: int) -> bool:
    """Return whether an address can't be bound although nobody listens there."""
    try:
        _bind_once(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return False
    else:
        return False
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S_MAX):
            return False
    except OSError:
        return True


def free_ports(count: int) -> list[int]:
    """Return as many different TCP ports that are free on 127.0.0.1 now.

    Whoever asks binds them later. So they are none that the system gives to connections meanwhile, and everybody of
    this user who asks is given the next ones in turn: thousands of others are given out before the same ones again.
    """
    with _cursor() as cursor:
        port = int(cursor.read() or _PORT_MIN)
        found: list[int] = []
        for _ in range(_PORTS_TRIED_MAX):
            port = port + 1 if _PORT_MIN <= port < _PORT_BEFORE - 1 else _PORT_MIN
            if is_free(port):
                found.append(port)
                if len(found) == count:
                    break
        else:
            raise Failure("no TCP port is free on 127.0.0.1.")
        cursor.seek(0)
        cursor.truncate()
        cursor.write(str(port))
    return found


@contextlib.contextmanager
def _cursor() -> Iterator[TextIO]:
    """Hold the file that says which port was given out last, alone."""
    path = Path(tempfile.gettempdir()) / f"autopay-ports-{os.getuid()}"
    # Where somebody else put a link or a file of theirs, this fails instead of following it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="ascii") as cursor:
        fcntl.flock(cursor, fcntl.LOCK_EX)
        yield cursor


def is_free(port: int) -> bool:
    """Return whether a TCP port is free on 127.0.0.1 now."""
    try:
        _bind_once("127.0.0.1", port)
    except OSError:
        return False
    return True


def _bind_once(host: str, port: int) -> int:
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # Connections of an earlier run may linger; only a listener is in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])
