"""What the documents point at exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("clients/*/*.md"),
        *ROOT.glob("deploy/**/*.md"),
    ]
)
LINK = re.compile(r"(?<!!)\[[^]]+]\((?!https?:|mailto:|#)([^)#\s]+)")
MAKE = re.compile(r"`make ([a-z][a-z-]*)")
TARGET = re.compile(r"^([a-z][a-z-]*):.*##", re.MULTILINE)


def text(document: Path) -> str:
    """A document's text."""
    return (ROOT / document).read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """A file that moved is missed here first."""
    targets = LINK.findall(text(document))
    assert [target for target in targets if not (ROOT / document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_make_target_named_in_a_document_exists(document: Path) -> None:
    """A document can't tell a reader to run what isn't there."""
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    assert set(MAKE.findall(text(document))) <= targets


def test_make_help_lists_every_target() -> None:
    """What `make` can do is found by asking it."""
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    answer = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607 make is on PATH
    listed = set(re.findall(r"^  make ([a-z-]+)", answer, re.MULTILINE))
    assert set(phony.group(1).replace("\\\n", " ").split()) == listed


def test_the_quick_start_has_exactly_two_commands() -> None:
    """A newcomer runs the mesh with one command and its tests with another."""
    quick_start = text(Path("README.md")).split("## Quick start", 1)[1].split("\n## ", 1)[0]
    commands = "".join(re.findall(r"```(?:sh|bash|console)\n(.*?)```", quick_start, re.DOTALL)).splitlines()
    assert [command.split("#")[0].strip() for command in commands if command.strip()] == [
        "make run",
        "make test",
    ]


def test_decisions_are_numbered_without_gaps() -> None:
    """An ADR is found by its number."""
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
