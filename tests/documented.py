"""Documents whose examples are run: blocks of code, each with the block of what it prints."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_BLOCK: Final = re.compile(r"^```(?P<language>sh|python|text|json)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE: Final = ("sh", "python")
# Stands in a document for what differs from run to run.
_WHATEVER: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example: code, and what the document says it prints ("" for nothing)."""

    line: int
    language: str
    code: str
    prints: str


def examples_of(document: Path) -> Sequence[Example]:
    """Every example of a document, in order."""
    text = document.read_text()
    found: list[Example] = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        language, content = block["language"], block["content"]
        if language in _CODE:
            found.append(Example(line=line, language=language, code=content, prints=""))
        else:
            last = found.pop()
            found.append(Example(line=last.line, language=last.language, code=last.code, prints=content))
    return found


def run_python(example: Example, names: dict[str, Any], replaced: Mapping[str, str]) -> str:
    """Run an example's Python among the names that those before it left, and return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(_in_place(example.code, replaced), f"example at line {example.line}", "exec"), names)  # noqa: S102 - our own document
    return printed.getvalue()


def run_shell(example: Example, directory: Path, replaced: Mapping[str, str], path: str) -> str:
    """Run an example's commands and return what they printed, on either output."""
    answer = subprocess.run(
        ["/bin/bash", "-uc", _in_place(example.code, replaced)],
        cwd=directory,
        env={"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return answer.stdout


def as_documented(example: Example, printed: str) -> bool:
    """Whether what was printed is what the document says, `…` standing for anything."""
    pattern = re.escape(_spaced(example.prints)).replace(re.escape(_WHATEVER), ".*?")
    return re.fullmatch(pattern, _spaced(printed)) is not None


def _spaced(text: str) -> str:
    """Return text with one space for all white space: what an editor does to it is no difference."""
    return " ".join(text.split())


def _in_place(code: str, replaced: Mapping[str, str]) -> str:
    for written, meant in replaced.items():
        code = code.replace(written, meant)
    return code
