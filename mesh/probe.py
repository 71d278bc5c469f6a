"""Asks a process on this machine whether it lives: for container runtimes that can only run a command.

python -m mesh.probe http://127.0.0.1:8081/livez
python -m mesh.probe grpc://127.0.0.1:8081
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

_WAIT_S_MAX: Final = 2.0


def answers(address: str) -> bool:
    """Return whether the process at `http://host:port/path` or `grpc://host:port` answers.

    Over gRPC any answer of the health service is one, as a process that is not ready is alive all the same.

    Raises:
        ValueError: the address is neither.
    """
    parts = urlsplit(address)
    if parts.scheme == "http":
        return _http_answers(parts.netloc, parts.path or "/")
    if parts.scheme == "grpc":
        return _grpc_answers(parts.netloc)
    raise ValueError(f"expected http://host:port/path or grpc://host:port, got {address!r}")


def _http_answers(host: str, path: str) -> bool:
    connection = http.client.HTTPConnection(host, timeout=_WAIT_S_MAX)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _grpc_answers(host: str) -> bool:
    # Imported here: the edge's probe must not pay for it every ten seconds.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    with grpc.insecure_channel(host) as channel:
        # The stubs describe asyncio's alone.
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            stub.Check(health_pb2.HealthCheckRequest(), timeout=_WAIT_S_MAX)
        except grpc.RpcError:
            return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Return 0 where the process at the only argument answers, 1 where it doesn't, 2 where the argument is wrong."""
    try:
        return 0 if answers(arguments[0] if len(arguments) == 1 else "") else 1
    except ValueError as error:
        sys.stderr.write(f"probe: {error}\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
