"""`autopay`: one command for everything that is done to a mesh from outside."""

from __future__ import annotations

import sys
from typing import Final

import typer

from autopay_cli.commands import insight, keys, ledger, sources, transactions
from autopay_cli.commands.certs import certs
from autopay_cli.commands.conformance import conformance
from autopay_cli.commands.doctor import doctor
from autopay_cli.commands.label import label
from autopay_cli.commands.report import report
from autopay_cli.commands.serve import serve
from autopay_cli.commands.sign import sign
from autopay_cli.commands.simulate import simulate
from autopay_cli.commands.up import up
from autopay_cli.failure import Failure

_FAILED: Final = 1
# A module of these that is missing is a bug, not an extra that was left out.
_OURS: Final = frozenset({"autopay", "autopay_cli", "edge", "mesh", "providers", "services"})


def application() -> typer.Typer:
    """Return the command line; no command imports what it needs before it runs."""
    cli = typer.Typer(
        name="autopay",
        help="Receives payment webhooks and never loses, doubles or believes a false one.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    cli.command("up")(up)
    cli.command("serve")(serve)
    cli.command("simulate")(simulate)
    cli.command("sign")(sign)
    cli.command("report")(report)
    cli.command("label")(label)
    cli.command("conformance")(conformance)
    cli.command("doctor")(doctor)
    cli.command("certs")(certs)
    cli.add_typer(transactions.commands(), name="tx")
    cli.add_typer(sources.commands(), name="sources")
    cli.add_typer(ledger.commands(), name="ledger")
    cli.add_typer(insight.commands(), name="insight")
    cli.add_typer(keys.commands(), name="keys")
    return cli


def main() -> None:
    """Run the command named by the arguments; an expected failure is one line and exit code 1."""
    try:
        application()()
    except Failure as failure:
        sentence = str(failure)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OURS:
            raise
        sentence = f"this needs the package {error.name!r}, which is not installed: pip install 'autopay-mesh[all]'."
    else:
        return
    sys.stderr.write(f"autopay: {sentence}\n")
    raise SystemExit(_FAILED)


if __name__ == "__main__":
    main()
