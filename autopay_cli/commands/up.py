"""`autopay up`: the whole mesh on this machine, with a real MongoDB and one payment to show that it works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autopay_cli.options import DataDirectory


def up(
    *,
    edge: Annotated[str, typer.Option(help="Where webhooks arrive (HTTP).", metavar="HOST:PORT")] = "127.0.0.1:8080",
    ingest: Annotated[str, typer.Option(help="ingest's gRPC.", metavar="HOST:PORT")] = "127.0.0.1:50051",
    ledger: Annotated[str, typer.Option(help="The ledger's gRPC.", metavar="HOST:PORT")] = "127.0.0.1:50052",
    insight: Annotated[str, typer.Option(help="insight's gRPC.", metavar="HOST:PORT")] = "127.0.0.1:50053",
    data_dir: DataDirectory = Path(".autopay"),
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="Send one payment through the mesh. Default: only where MongoDB is its own.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the demonstration.")] = False,
    mtls: Annotated[
        bool,
        typer.Option("--mtls", help="Mutual TLS between the processes, with certificates as `autopay certs` makes."),
    ] = False,
    mongo_members: Annotated[
        int, typer.Option(help="Members of the embedded replica set: 1 or 3.", min=1, max=3, metavar="1|3")
    ] = 1,
    mongod: Annotated[
        Path | None,
        typer.Option(help="The mongod to run instead of the installed package's.", show_default=False),
    ] = None,
) -> None:
    """Start the whole mesh on this machine, for development.

    Starts a real MongoDB (or uses MONGO_URL) and the four processes, and sends one signed payment through them.
    Port 0 picks a free port. Reads `.env`. Ctrl-C finishes accepted work and stops everything; a second one
    doesn't wait.
    """
    from autopay_cli.session import Wishes, run

    if mongo_members == 2:  # noqa: PLR2004 - two members outvote nobody
        raise typer.BadParameter("a replica set has 1 or 3 members", param_hint="--mongo-members")
    wishes = Wishes(
        edge=edge,
        ingest=ingest,
        ledger=ledger,
        insight=insight,
        data_directory=data_dir,
        demo=demo,
        once=once,
        mtls=mtls,
        mongo_members=mongo_members,
        mongod=mongod,
    )
    raise typer.Exit(run(wishes))
