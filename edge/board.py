"""A board that the workers of one supervisor share: a slot for each, which it alone writes and all read.

The supervisor makes it, an unnamed file in memory, and its workers inherit it. Its size is fixed. A worker that ends
leaves its slot to the one that is started in its place, so what was counted stays counted.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from typing import Final

BOARD_FD: Final = "EDGE_INHERITED_BOARD_FD"
BOARD_PLACE: Final = "EDGE_INHERITED_BOARD_PLACE"
SLOT_BYTES_MAX: Final = 524_288

_TURN: Final = struct.Struct("<Q")
_HEAD: Final = struct.Struct("<II")
_HALF_BYTES: Final = _HEAD.size + SLOT_BYTES_MAX
_SLOT_BYTES: Final = _TURN.size + 2 * _HALF_BYTES
_TRIES: Final = 5


def make() -> int:
    """Return the descriptor of a new, empty board."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("autopay-edge-board")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Board:
    """The board as one worker sees it."""

    def __init__(self, descriptor: int, *, slot: int, slots: int) -> None:
        """Write to `slot` of `slots`."""
        self._descriptor = descriptor
        self._slot = slot
        self._slots = slots
        self._turn = self._turn_of(slot)

    @classmethod
    def inherited(cls) -> Board | None:
        """Return the supervisor's board, None where this worker is alone."""
        if BOARD_FD not in os.environ:
            return None
        slot, slots = os.environ[BOARD_PLACE].split("/")
        return cls(int(os.environ[BOARD_FD]), slot=int(slot), slots=int(slots))

    def write(self, content: bytes) -> bool:
        """Put content in place of what the own slot has; False, and nothing is changed, where it is too large."""
        if len(content) > SLOT_BYTES_MAX:
            return False
        turn = self._turn + 1
        # Into the half that nobody reads; then readers are sent there.
        os.pwrite(
            self._descriptor, _HEAD.pack(len(content), zlib.crc32(content)) + content, self._half(self._slot, turn)
        )
        os.pwrite(self._descriptor, _TURN.pack(turn), self._slot * _SLOT_BYTES)
        self._turn = turn
        return True

    def own(self) -> bytes:
        """Return what the own slot has, also from a worker before this one; b"" for nothing."""
        return self._read(self._slot)

    def others(self) -> list[bytes]:
        """Return what the other slots have; those with nothing are left out."""
        found = (self._read(slot) for slot in range(self._slots) if slot != self._slot)
        return [content for content in found if content]

    def _read(self, slot: int) -> bytes:
        for _ in range(_TRIES):
            turn = self._turn_of(slot)
            if not turn:
                return b""
            at = self._half(slot, turn)
            head = os.pread(self._descriptor, _HEAD.size, at)
            length, checksum = _HEAD.unpack(head)
            content = os.pread(self._descriptor, min(length, SLOT_BYTES_MAX), at + _HEAD.size)
            # Its worker may have come round to this half meanwhile.
            if len(content) == length and zlib.crc32(content) == checksum:
                return content
        return b""

    def _turn_of(self, slot: int) -> int:
        read = os.pread(self._descriptor, _TURN.size, slot * _SLOT_BYTES)
        return int(_TURN.unpack(read)[0]) if len(read) == _TURN.size else 0

    def _half(self, slot: int, turn: int) -> int:
        return slot * _SLOT_BYTES + _TURN.size + (turn % 2) * _HALF_BYTES
