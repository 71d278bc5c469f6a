"""A wall clock of other processes that can be set wrong."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_OFFSET_S: Final = struct.Struct("<d")


class Clock:
    """The clock of the processes that are started with its environment."""

    def __init__(self, file: Path) -> None:
        """Keep how far it is off in `file`."""
        self._file = file
        self._file.write_bytes(_OFFSET_S.pack(0.0))

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process must see to go by it."""
        return {"PYTHONPATH": str(Path(__file__).with_name("steered")), "CHAOS_CLOCK": str(self._file)}

    def step(self, offset_s: float) -> None:
        """Set it so far off, at once; 0 sets it right."""
        # In place: the processes have mapped this file.
        with self._file.open("r+b") as file:
            file.write(_OFFSET_S.pack(offset_s))
