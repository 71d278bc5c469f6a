"""Makes the wall clock of a Python process one that a test steps: on its PYTHONPATH, this is imported first.

The file that CHAOS_CLOCK names holds how far the clock is off, as a double; it is mapped, so a step is seen at once.
What measures durations (`time.monotonic`) goes on as it is, as it does when a real clock is set.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_offset_s = struct.Struct("<d")
_path = os.environ.get("CHAOS_CLOCK")
if _path:
    with Path(_path).open("rb") as _file:
        _mapped = mmap.mmap(_file.fileno(), _offset_s.size, access=mmap.ACCESS_READ)
    _true_s, _true_ns = time.time, time.time_ns

    def _now_s() -> float:
        return _true_s() + float(_offset_s.unpack_from(_mapped)[0])

    def _now_ns() -> int:
        return _true_ns() + int(_offset_s.unpack_from(_mapped)[0] * 1e9)

    time.time, time.time_ns = _now_s, _now_ns
