"""`autopay sign`: signs a webhook body, so that curl can send it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from autopay_cli import configured_sources, meshfile, signing
from autopay_cli.failure import Failure
from autopay_cli.options import AsJson, DataDirectory

_WEBHOOK_PATH = "/webhooks/payments"
_NATIVE = "autopay"


def sign(
    body: Annotated[
        str,
        typer.Argument(help="The body; @FILE reads it from a file, - from standard input.", show_default=False),
    ],
    *,
    secret: Annotated[
        str,
        typer.Option(
            help="The source's secret. Default: the running mesh's, else HMAC_SECRET_KEY.", show_default=False
        ),
    ] = "",
    form: Annotated[
        signing.Form,
        typer.Option(help="Timestamp and signature in two headers; one header and the body; or both in the body."),
    ] = signing.Form.HEADERS,
    provider: Annotated[
        str, typer.Option(help="Sign as another provider does; the names are those of `autopay conformance`.")
    ] = _NATIVE,
    signed_url: Annotated[
        str, typer.Option(help="The URL, where the provider signs it (Square).", show_default=False)
    ] = "",
    timestamp: Annotated[
        int, typer.Option(help="Seconds since the Unix epoch; 0 is now.", min=0, show_default=False)
    ] = 0,
    curl: Annotated[
        str,
        typer.Option(help="Print a whole curl command for this URL; 'mesh' is the running one.", metavar="URL"),
    ] = "",
    as_json: AsJson = False,
    data_dir: DataDirectory = Path(".autopay"),
) -> None:
    """Sign a webhook body as the native source verifies it, or as another provider signs.

    Prints arguments for curl: curl URL --data-raw "$body" $(autopay sign "$body")
    """
    at_s = timestamp or int(time.time())
    if provider == _NATIVE:
        request = signing.signed(_bytes_of(body), secret or _secret(data_dir), timestamp_s=at_s, form=form)
    else:
        given = secret or configured_sources.secret_of(provider)
        request = signing.signed_by(provider, _bytes_of(body), given, timestamp_s=at_s, url=signed_url)
    if as_json:
        typer.echo(json.dumps({"headers": dict(request.headers), "body": request.body.decode()}))
    elif curl:
        path = _WEBHOOK_PATH if provider == _NATIVE else f"/webhooks/{provider}"
        url = meshfile.read(data_dir).edge + path if curl == "mesh" else curl
        typer.echo(signing.curl_line(request, url))
    else:
        typer.echo(signing.curl_arguments(request))


def _bytes_of(body: str) -> bytes:
    if body == "-":
        return sys.stdin.buffer.read()
    if not body.startswith("@"):
        return body.encode()
    try:
        return Path(body[1:]).read_bytes()
    except OSError as error:
        raise Failure(f"can't read {body[1:]}: {error.strerror}.") from error


def _secret(data_directory: Path) -> str:
    """Return the running mesh's secret, else the environment's."""
    try:
        return meshfile.read(data_directory).hmac_secret
    except Failure as failure:
        if secret := os.environ.get("HMAC_SECRET_KEY"):
            return secret
        raise Failure(f"no secret to sign with: give --secret or HMAC_SECRET_KEY ({failure})") from failure
