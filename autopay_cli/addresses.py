"""Addresses of this machine: what HOST:PORT means, whether it is free, which port is."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

from autopay_cli.failure import Failure

_PORT_MAX: Final = 65_535


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
    try:
        return f"{host}:{_bind_once(host.strip('[]'), port)}"
    except OSError as error:
        why = "it is taken" if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()
        raise Failure(
            f"can't listen on {text}: {why}. Stop what listens there, or choose another address with "
            f"{option} HOST:PORT (port 0 picks a free one)."
        ) from error


def free_ports(count: int) -> list[int]:
    """Return as many different TCP ports that are free on 127.0.0.1 now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


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
