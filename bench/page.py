"""Writes one HTML page of a run: tables, pictures and verdicts, in a single file that asks nobody for anything."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from bench import machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

_TYPES: Final = {".png": "image/png", ".svg": "image/svg+xml"}
_STYLE: Final = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
body { color: #1a1a1a; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
.wide { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: .875rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.pass { color: #116329; } .fail { color: #a40e26; font-weight: 600; } .note { color: #555; font-size: .875rem; }
ul { padding-left: 1.2rem; }
"""


def write(figures: Mapping[str, Any], parts: Sequence[Part], comparison: Table | None, file: Path) -> Path:
    """Write the page and return its path."""
    described = figures["machine"]
    plan = figures["plan"]
    when = f"{described['measured_at']}, windows of {plan['duration_s']:g} s, rounds: {plan['rounds']}"
    body = [
        "<h1>AutoPay mesh, measured</h1>",
        f"<p>{_escaped(machine.line(described))}<br>{_escaped(when)}</p>",
        _gates(figures["gates"]),
        *(
            f'<p class="fail">not measured: {_escaped(name)}: {_escaped(text)}</p>'
            for name, text in figures["failures"].items()
        ),
        *(part.html() for part in parts),
    ]
    if comparison is not None:
        body += ["<h2>Before and now</h2>", _table(comparison)]
    file.write_text(_PAGE.format(style=_STYLE, body="\n".join(body)), encoding="utf-8")
    return file


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>AutoPay mesh, measured</title><style>{style}</style></head>
<body>
{body}
</body></html>
"""


class Part:
    """One section on the page: its title, what it lays out, its pictures."""

    def __init__(self, title: str, laid_out: Sequence[RenderableType], pictures: Sequence[Path]) -> None:
        self._title, self._laid_out, self._pictures = title, laid_out, pictures

    def html(self) -> str:
        """Return the part as HTML, pictures inside."""
        shown = [
            _table(one) if isinstance(one, Table) else f'<p class="note">{_cell(one)}</p>' for one in self._laid_out
        ]
        pictures = [_picture(file, self._title) for file in self._pictures]
        return "\n".join([f"<h2>{_escaped(self._title)}</h2>", *pictures, *shown])


def _gates(gates: Sequence[str]) -> str:
    rows = (f'<li class="{"pass" if gate.startswith("PASS") else "fail"}">{_escaped(gate)}</li>' for gate in gates)
    return f"<ul>{''.join(rows)}</ul>"


def _table(table: Table) -> str:
    headings = "".join(f"<th>{_cell(column.header)}</th>" for column in table.columns)
    rows = zip(*(column.cells for column in table.columns), strict=True)
    lines = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    caption = f"<caption>{_cell(table.title)}</caption>" if table.title else ""
    note = f'<p class="note">{_cell(table.caption)}</p>' if table.caption else ""
    inner = f"{caption}<thead><tr>{headings}</tr></thead><tbody>{lines}</tbody>"
    return f'<div class="wide"><table>{inner}</table></div>{note}'


def _cell(cell: object) -> str:
    return _escaped(cell.plain if isinstance(cell, Text) else str(cell))


def _picture(file: Path, title: str) -> str:
    encoded = base64.b64encode(file.read_bytes()).decode()
    return f'<figure><img alt="{_escaped(title)}" src="data:{_TYPES[file.suffix]};base64,{encoded}"></figure>'


def _escaped(text: object) -> str:
    return html.escape(str(text))
