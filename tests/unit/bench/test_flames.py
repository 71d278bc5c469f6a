"""Profiles: stacks are read, shared out to functions, and drawn."""

from __future__ import annotations

import os
from xml.etree import ElementTree as ET

import pytest

from bench import flames, threads

RAW = """<module> (edge/__main__.py:9);serve (/work/x/edge/worker.py:20);sign (/v/site-packages/aiohttp/web.py:7) 30
<module> (edge/__main__.py:9);serve (/work/x/edge/worker.py:21) 60
<module> (edge/__main__.py:9);_run <once> (asyncio/events.py:3) 10
"""


def test_lines_of_a_function_are_one_function() -> None:
    """Two lines of one function share its name; a package's file is told from its package on."""
    stacks = dict(flames.read(RAW))
    assert stacks["<module> (edge/__main__.py)", "serve (x/edge/worker.py)"] == 60
    assert stacks["<module> (edge/__main__.py)", "serve (x/edge/worker.py)", "sign (…/aiohttp/web.py)"] == 30


def test_own_and_inclusive_shares_add_up() -> None:
    """What is on top of a stack is a function's own; recursion counts once."""
    shares = {share.function: share for share in flames.shares(flames.read(RAW))}
    assert shares["serve (x/edge/worker.py)"].own == pytest.approx(0.6)
    assert shares["serve (x/edge/worker.py)"].inclusive == pytest.approx(0.9)
    assert sum(share.own for share in shares.values()) == pytest.approx(1)
    (recursive,) = flames.shares([(("again", "again"), 5)])
    assert recursive.inclusive == 1


def test_the_flame_graph_is_one_svg_with_every_wide_frame() -> None:
    """It parses, names are escaped, and a frame is as wide as its share."""
    stacks = flames.read(RAW)
    root = ET.fromstring(flames.svg(stacks, "edge"))  # noqa: S314 - our own
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "serve (x/edge/worker.py) 90.0%" in titles
    assert "_run <once> (asyncio/events.py) 10.0%" in titles
    assert len(titles) == 4


def test_nothing_sampled_is_an_empty_picture() -> None:
    """A process that never ran has no frame, and no division by zero."""
    assert flames.shares(flames.read("")) == []
    assert "<title>" not in flames.svg([], "idle")


def test_cpu_is_split_between_the_loop_and_the_other_threads() -> None:
    """The first thread is the loop; one that began meanwhile counts whole."""
    before = {7: (1.0, 0.5), 8: (0.1, 0.1)}
    after = {7: (1.2, 0.6), 8: (0.15, 0.1), 9: (0.05, 0.02)}
    found = threads.split(before, after, per=1_000)
    shares = [found.loop_user_us, found.loop_system_us, found.others_user_us, found.others_system_us]
    assert shares == pytest.approx([200, 100, 100, 20])


def test_threads_of_a_process_are_read() -> None:
    """Our own first thread has used CPU, and its id is the process's."""
    assert sum(threads.cpu(os.getpid())[os.getpid()]) > 0
