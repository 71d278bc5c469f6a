"""Several workers on one socket: the supervisor binds it, spawns the workers that inherit it, and never imports grpc.

A channel made before a fork crashes its child, so workers are spawned, not forked; and two listeners with SO_REUSEPORT
reset the connections queued on the one that closes, so there is one listener.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Final

from edge import board

_RESTART_PAUSE_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# A worker that lived this long had started well: its next restart is quick again.
_SETTLED_S: Final = 10.0
_POLL_S: Final = 0.05
PUBLIC_FD: Final = "EDGE_INHERITED_FD"
ADMIN_FD: Final = "EDGE_INHERITED_ADMIN_FD"


class _Worker:
    def __init__(self, arguments: list[str], descriptors: tuple[int, ...], environment: dict[str, str]) -> None:
        self._arguments = arguments
        self._descriptors = descriptors
        self._environment = environment
        self._deaths = 0
        self._restart_at = 0.0
        self._started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look_after(self, now: float) -> None:
        """Start the worker, or start it again after a pause when it died."""
        if self.process is not None and self.process.poll() is not None:
            pause_s = _RESTART_PAUSE_S[min(self._deaths, len(_RESTART_PAUSE_S) - 1)]
            sys.stderr.write(
                f"edge: worker {self.process.pid} ended with {self.process.returncode}, again in {pause_s} s\n"
            )
            self._deaths = 0 if now - self._started_at > _SETTLED_S else self._deaths + 1
            self._restart_at = now + pause_s
            self.process = None
        if self.process is None and now >= self._restart_at:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                self._arguments, pass_fds=self._descriptors, env=self._environment
            )
            self._started_at = now


def supervise(count: int, public: socket.socket, admin: socket.socket, *, grace_s: float) -> None:
    """Run `count` workers on the two sockets until SIGTERM or SIGINT; then wait `grace_s` for them to drain."""
    stopping = False

    def stop(signum: int, frame: object) -> None:
        del signum, frame
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    shared = board.make()
    descriptors = (public.fileno(), admin.fileno(), shared)
    environment = {
        **os.environ,
        PUBLIC_FD: str(descriptors[0]),
        ADMIN_FD: str(descriptors[1]),
        board.BOARD_FD: str(shared),
    }
    workers = [
        _Worker([sys.executable, "-m", "edge"], descriptors, {**environment, board.BOARD_PLACE: f"{place}/{count}"})
        for place in range(count)
    ]
    while not stopping:
        for worker in workers:
            worker.look_after(time.monotonic())
        time.sleep(_POLL_S)
    # The workers' own copies go on; when the last of them is closed, new connections are refused and don't hang.
    public.close()
    admin.close()
    running = [worker.process for worker in workers if worker.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + grace_s
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
