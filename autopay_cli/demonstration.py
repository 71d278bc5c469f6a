"""One signed payment through the running mesh, shown with what came back."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autopay_cli import signing
from autopay_cli.meshfile import Mesh

if TYPE_CHECKING:
    from rich.console import Console

WEBHOOK_PATH: Final = "/webhooks/payments"
_ANSWER_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the edge said.

    Attributes:
        status: the HTTP status; 0 where there was no answer.
        content: the JSON of its body.
        took_ms: from sending to the last byte, milliseconds.
    """

    status: int
    content: Mapping[str, Any]
    took_ms: float

    @property
    def accepted(self) -> bool:
        """Whether the payment is recorded."""
        return self.status == 200  # noqa: PLR2004 - HTTP's own number


def payment() -> bytes:
    """Return the body of a payment that nobody has sent yet."""
    fields = {
        "tx_id": f"demo-{secrets.token_hex(4)}",
        "amount": "480.00",
        "currency": "EUR",
        "sender_account": "alice",
        "receiver_account": "bobs-bakery",
        "status": "success",
        "description": "A wedding cake",
    }
    return json.dumps(fields, separators=(",", ":")).encode()


async def send(mesh: Mesh, body: bytes) -> Answer:
    """Sign the body and post it to the mesh."""
    request = signing.signed(body, mesh.hmac_secret, timestamp_s=int(time.time()))
    headers = {**request.headers, "Content-Type": "application/json"}
    post = urllib.request.Request(  # noqa: S310 - an http URL of our own
        mesh.edge + WEBHOOK_PATH, data=request.body, headers=headers, method="POST"
    )
    return await asyncio.to_thread(_post, post)


def _post(request: urllib.request.Request) -> Answer:
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S_MAX) as response:  # noqa: S310 - as above
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    except OSError as error:
        status, content = 0, json.dumps({"detail": str(error)}).encode()
    took_ms = (time.perf_counter() - started) * 1_000
    try:
        return Answer(status=status, content=json.loads(content), took_ms=took_ms)
    except ValueError:
        return Answer(status=status, content={"detail": content.decode(errors="replace")}, took_ms=took_ms)


def show(console: Console, answer: Answer) -> None:
    """Print the answer: what became of the payment, its risk with reasons, its trace."""
    from rich.table import Table

    content = answer.content
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 1))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    if not answer.accepted:
        table.add_row("answer", f"{answer.status or 'none'} {content.get('reason', '')}")
        table.add_row("why", str(content.get("detail", "")))
    else:
        table.add_row("answer", f"{answer.status} {content.get('status')} in {answer.took_ms:.0f} ms")
        stands = f"{content.get('transaction_status')}, version {content.get('version')}"
        table.add_row("payment", f"{content.get('source')}/{content.get('tx_id')}: {stands}")
        table.add_row("risk", _risk(content.get("risk")))
        for reason in (content.get("risk") or {}).get("reasons", []):
            table.add_row("", f"{reason.get('code')}: {reason.get('sentence')}")
    table.add_row("trace", str(content.get("trace_id", "–")))
    console.print("A payment went through the mesh:" if answer.accepted else "The payment was not accepted:")
    console.print(table)


def _risk(risk: Mapping[str, Any] | None) -> str:
    if not risk:
        return "not scored yet"
    unremarkable = "" if risk.get("reasons") else ", nothing unusual"
    return f"{risk.get('level')} ({float(risk.get('score', 0)):.2f}){unremarkable}"


def another(mesh: Mesh, data_directory: Path) -> str:
    """Return a command line that sends one more payment, signed at the time it is pasted."""
    # The body stands once, in a variable, and what `autopay sign` prints needs no quotes.
    body = shlex.quote(payment().decode())
    sign = f"{_own_command()} sign"
    if data_directory != Path(".autopay"):
        sign += f" --data-dir {shlex.quote(str(data_directory))}"
    url = mesh.edge + WEBHOOK_PATH
    header = "-H Content-Type:application/json"
    return f'body={body}; curl -sS {url} {header} --data-raw "$body" $({sign} "$body")'


def _own_command() -> str:
    command = Path(sys.executable).with_name("autopay")
    if not command.exists():
        return f"{shlex.quote(sys.executable)} -m autopay_cli"
    here = Path.cwd()
    return shlex.quote(str(command.relative_to(here) if command.is_relative_to(here) else command))
