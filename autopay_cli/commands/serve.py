"""`autopay serve`: runs one process of the mesh in the foreground."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import typer

from autopay_cli.failure import Failure


class Process(StrEnum):
    """The processes of the mesh."""

    EDGE = "edge"
    INGEST = "ingest"
    LEDGER = "ledger"
    INSIGHT = "insight"


# Named as text and imported when chosen: an image that runs the edge has no package of the ledger's.
MODULES: Final[Mapping[Process, str]] = {
    Process.EDGE: "edge.__main__",
    Process.INGEST: "services.ingest.__main__",
    Process.LEDGER: "services.ledger.__main__",
    Process.INSIGHT: "services.insight.__main__",
}


def serve(
    process: Annotated[Process, typer.Argument(help="The process to run.", show_default=False)],
) -> None:
    """Run one process in the foreground, configured by its environment variables (see env.example)."""
    module = MODULES[process]
    try:
        importlib.import_module(module).main()
    except ModuleNotFoundError as error:
        own = module.removesuffix(".__main__")
        if error.name is None or own.startswith(error.name) or error.name.startswith(own):
            raise
        raise Failure(
            f"{process} needs the package {error.name!r}, which is not installed: "
            f"pip install 'autopay-mesh[{process}]'."
        ) from error
