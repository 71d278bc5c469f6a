"""`autopay certs`: certificates for mutual TLS on a development machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from autopay_cli import screen
from autopay_cli.options import AsJson


def certs(
    *,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the certificates and keys are kept.", file_okay=False)
    ] = Path(".autopay/certs"),
    days: Annotated[int, typer.Option(help="Days that a new certificate is valid.", min=1, max=825)] = 30,
    trust_domain: Annotated[str, typer.Option(help="Whose SPIFFE ids: spiffe://DOMAIN/sa/edge.")] = "autopay",
    renew: Annotated[
        bool, typer.Option("--renew", help="Make new certificates in place of good ones; running processes follow.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a certificate authority for development and a certificate for each process.

    Those with a third of their days left are kept. Each process takes its files by EDGE_TLS_CERT, EDGE_TLS_KEY,
    EDGE_TLS_CA and so on; `autopay up --mtls` sets them.
    """
    from autopay_cli import certificates
    from autopay_cli.certificates_directory import AUTHORITY, certificate_of

    issued = certificates.issue(directory, days=days, trust_domain=trust_domain, renew=renew, now=datetime.now(UTC))
    if as_json:
        each = {
            one.name: {
                "spiffe_id": one.spiffe_id,
                "certificate": str(one.certificate),
                "key": str(one.key),
                "expires_at": one.expires_at.isoformat(),
                "made": one.fresh,
            }
            for one in issued
        }
        typer.echo(json.dumps({"ca": str(certificate_of(directory, AUTHORITY)), "certificates": each}, indent=2))
        return
    from rich.table import Table

    table = Table()
    for heading in ("process", "SPIFFE id", "until", "", "certificate"):
        table.add_column(heading, overflow="fold")
    for one in issued:
        until = f"{one.expires_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(one.name, one.spiffe_id, until, "made" if one.fresh else "kept", str(one.certificate))
    screen.console().print(table)
    typer.echo(f"All are signed by {certificate_of(directory, AUTHORITY)}.")
