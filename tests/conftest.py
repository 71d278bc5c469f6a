"""Fixtures that several rooms of tests share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.servers import RunningUp, fresh_database, running_mongo, running_up, why_no_mongod

# How long an example takes says more of what else the machine does, other workers for a start, than of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A shell starts what it runs in the background with SIGINT ignored, and every process that a test starts would inherit
# that, those it is sent to included.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the two halves of the suite be told apart."""
    parser.addoption(
        "--timed",
        choices=("with", "without", "only"),
        default="with",
        help="tests that measure time: run them with the others, leave them out, or run only them",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes, unless `-m nightly` asks for it, and pick a half of the suite."""
    if "nightly" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("nightly") is not None:
                item.add_marker(pytest.mark.skip(reason="takes minutes: `-m nightly` asks for it"))
    if (wanted := config.getoption("timed")) != "with":
        left_out = [item for item in items if _is_timed(item) is (wanted == "without")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _is_timed(item) is not (wanted == "without")]


def _is_timed(item: pytest.Item) -> bool:
    return item.get_closest_marker("timed") is not None


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
