"""A real redis-server for tests, which can be killed and started again in its place."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autopay_cli.addresses import free_ports


def why_no_redis() -> str:
    """Why no redis-server can be run here, "" where one can."""
    return "" if shutil.which("redis-server") else "redis-server is not installed (apt-get install redis-server)"


class Redis:
    """A server on one port of loopback, without a disk."""

    def __init__(self, directory: Path) -> None:
        """Start it."""
        [self._port] = free_ports(1)
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self._process = subprocess.Popen(
            [*command, str(self._directory)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it where it stands (SIGSTOP)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def running_redis(directory: Path) -> Iterator[Redis]:
    """Run one while the context lasts."""
    redis = Redis(directory)
    try:
        yield redis
    finally:
        redis.kill()
