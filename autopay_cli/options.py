"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDirectory = Annotated[
    Path,
    typer.Option("--data-dir", help="Where `autopay up` keeps data, secrets, logs and mesh.json.", file_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
