"""A running edge for every test that asks for one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.unit.edge.rig import Edge, running_edge


@pytest.fixture(autouse=True)
def root_handlers() -> Iterator[None]:
    """Give the root logger its own handlers and level back, which configuring the edge's log replaces."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    """An edge with one source, one secret and one API key."""
    async with running_edge() as running:
        yield running
