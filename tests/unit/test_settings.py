"""env.example lists and explains every environment variable that a process reads."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import services
from mesh.settings import MeshSettings, environment_names

EXAMPLE = Path(__file__).resolve().parents[2] / "env.example"
ENTRY = re.compile(r"#([A-Z][A-Z0-9_]*)=(.*)")


def settings_classes() -> Iterator[type[MeshSettings]]:
    """The settings class of every process."""
    processes = ["edge", *(f"services.{found.name}" for found in pkgutil.iter_modules(services.__path__))]
    for process in processes:
        for value in vars(importlib.import_module(f"{process}.settings")).values():
            if isinstance(value, type) and issubclass(value, MeshSettings) and value is not MeshSettings:
                yield value


def read_by_processes() -> dict[str, str]:
    """Variable → description, over all processes."""
    return {name: text for each in settings_classes() for name, text in environment_names(each).items()}


def entries() -> dict[str, str]:
    """Variable → the line above it in env.example."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    found = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if matched := ENTRY.fullmatch(line):
            assert matched[1] not in found, f"{matched[1]} stands twice"
            found[matched[1]] = above
    return found


def test_the_example_lists_every_variable_and_nothing_else() -> None:
    """A setting that is added, renamed or removed is so in env.example, too."""
    assert set(entries()) == set(read_by_processes())


def test_every_entry_is_explained() -> None:
    """A comment stands right above each variable."""
    assert [name for name, above in entries().items() if not above.startswith("# ")] == []


def test_every_setting_describes_itself() -> None:
    """The description is where the comment comes from."""
    assert [name for name, text in read_by_processes().items() if len(text) < 10] == []


def test_copied_as_it_is_the_example_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values shown are the defaults: uncommenting all of them leaves every process as it was."""
    for name in read_by_processes():
        monkeypatch.delenv(name, raising=False)
    before = [each.load() for each in settings_classes()]
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if (matched := ENTRY.fullmatch(line)) and matched[2]:
            monkeypatch.setenv(matched[1], matched[2])
    assert [each.load() for each in settings_classes()] == before
