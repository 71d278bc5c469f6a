"""Fixtures of the tests that run the whole mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from autopay_cli.embedded_mongo import EmbeddedMongo
from tests.fakes.gemini import make_certificate
from tests.mesh_processes import RunningMesh, running_mesh
from tests.servers import fresh_database

StartMesh = Callable[..., RunningMesh]


@pytest.fixture(scope="module")
def mesh(mongo_server: EmbeddedMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh for all tests of a file, on a database of its own; leave every process as it was."""
    with (
        fresh_database(mongo_server) as url,
        running_mesh(url, tmp_path_factory.mktemp("mesh")) as running,
    ):
        yield running


@pytest.fixture
def start_mesh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartMesh]:
    """Starts meshes of the test's own: `start_mesh(url, NAME="value")`; without a URL on a fresh database."""
    with ExitStack() as running:

        def start(mongo_url: str = "", **environment: str) -> RunningMesh:
            url = mongo_url or running.enter_context(fresh_database(request.getfixturevalue("mongo_server")))
            directory = tmp_path / f"mesh-{len(list(tmp_path.iterdir()))}"
            return running.enter_context(running_mesh(url, directory, environment))

        yield start


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiTls:
    """How a fake Gemini proves to be localhost, and the file by which processes believe it."""

    roots: Path
    credentials: grpc.ServerCredentials


@pytest.fixture(scope="session")
def gemini_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GeminiTls]:
    """A certificate for fake Geminis that this process believes; gRPC reads the file once, so there is one for all."""
    roots, credentials = make_certificate(tmp_path_factory.mktemp("gemini"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(roots))
        yield GeminiTls(roots=roots, credentials=credentials)
