"""Runs a command that is asked to stop when its parent dies, however that happens; a script, never imported.

A function run between fork and exec would do the same, but is unsafe once the parent has threads (pymongo's).
Usage: python -I -S leash.py PARENT_PID COMMAND [ARGUMENT…]
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    # Survives exec, as long as the program is not set-uid. Elsewhere than on Linux there is no such thing.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the line above.
    if os.getppid() == parent_pid:
        os.execvp(command[0], command)  # noqa: S606 - from our own argument lists, without a shell
