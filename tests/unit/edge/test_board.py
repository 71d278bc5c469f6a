"""The board that workers share: a slot for each, never torn, never larger than it is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from edge import board
from edge.board import SLOT_BYTES_MAX, Board


@pytest.fixture
def descriptor() -> Iterator[int]:
    """An empty board."""
    made = board.make()
    yield made
    os.close(made)


def test_nothing_is_read_from_an_empty_board(descriptor: int) -> None:
    """Before the first write a slot has nothing."""
    one = Board(descriptor, slot=0, slots=2)
    assert (one.own(), one.others()) == (b"", [])


def test_each_reads_what_the_others_wrote_last(descriptor: int) -> None:
    """A slot has the last content, whatever was longer or shorter before."""
    one, two = (Board(descriptor, slot=slot, slots=3) for slot in (0, 1))
    for content in (b"first", b"a longer second", b"3"):
        assert one.write(content)
        assert two.others() == [content]
    assert two.write(b"two")
    assert (one.own(), one.others()) == (b"3", [b"two"])


def test_a_worker_in_the_same_place_goes_on(descriptor: int) -> None:
    """What a worker left is read by the next, whose writes follow on it."""
    assert Board(descriptor, slot=1, slots=2).write(b"left")
    following = Board(descriptor, slot=1, slots=2)
    assert following.own() == b"left"
    assert following.write(b"new")
    assert Board(descriptor, slot=0, slots=2).others() == [b"new"]


def test_too_much_changes_nothing(descriptor: int) -> None:
    """A slot has a size; what is larger is refused and what was there stays."""
    one = Board(descriptor, slot=0, slots=1)
    assert one.write(b"x" * SLOT_BYTES_MAX)
    assert not one.write(b"y" * (SLOT_BYTES_MAX + 1))
    assert one.own() == b"x" * SLOT_BYTES_MAX


def test_a_torn_slot_is_not_believed(descriptor: int) -> None:
    """A worker killed in the middle of a write leaves what was there before, or nothing, and never a half."""
    one = Board(descriptor, slot=0, slots=1)
    one.write(b"whole")
    os.pwrite(descriptor, b"\xff", one._half(0, 1) + 10)
    assert one.own() == b""
