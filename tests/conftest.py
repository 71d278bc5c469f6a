"""Fixtures that several rooms of tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.servers import RunningUp, fresh_database, running_mongo, running_up, why_no_mongod


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes, unless `-m nightly` asks for it."""
    if "nightly" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("nightly") is not None:
                item.add_marker(pytest.mark.skip(reason="takes minutes: `-m nightly` asks for it"))


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongo]:
    """A one-member replica set for the whole run; don't kill or freeze it."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    with running_mongo(tmp_path_factory.mktemp("mongo")) as mongo:
        yield mongo


@pytest.fixture
def mongo_url(mongo_server: EmbeddedMongo) -> Iterator[str]:
    """The connection string of a fresh database, dropped after the test."""
    with fresh_database(mongo_server) as url:
        yield url


@pytest.fixture
def start_mongo(tmp_path: Path) -> Iterator[Callable[..., EmbeddedMongo]]:
    """Starts replica sets of the test's own, to kill and freeze: `start_mongo(members=3)`."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    with ExitStack() as running:

        def start(*, members: int = 1, directory: Path | None = None) -> EmbeddedMongo:
            home = directory or tmp_path / f"mongo-{len(list(tmp_path.iterdir()))}"
            return running.enter_context(running_mongo(home, members=members))

        yield start


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """A whole mesh with a MongoDB of its own for the whole run; don't kill or freeze its processes."""
    if reason := why_no_mongod():
        pytest.skip(reason)
    with running_up(tmp_path_factory.mktemp("up") / "data") as running:
        yield running
