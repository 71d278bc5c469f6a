"""What the benchmark can measure: every module here is one section, run by its file name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from bench.comparing import Sample
    from bench.gates import Gate
    from bench.plan import Plan


class Section(Protocol):
    """What a module in this package provides."""

    TITLE: str
    BY_DEFAULT: bool

    def measure(self, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
        """Measure and return JSON-able figures."""

    def tables(self, figures: dict[str, Any]) -> Sequence[RenderableType]:
        """Lay the figures out for a terminal."""

    def gates(self, figures: dict[str, Any]) -> Sequence[Gate]:
        """Hold the figures against what the project promises."""

    def samples(self, figures: dict[str, Any]) -> Mapping[str, Sample]:
        """Name what a later run is compared by, each with its value in every round."""

    def draw(self, figures: dict[str, Any], folder: Path) -> Sequence[Path]:
        """Draw the figures as PNG files and name them."""


def names() -> tuple[str, ...]:
    """Name every section, in the order they run."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def defaults() -> tuple[str, ...]:
    """Name the sections that run where none is named: all of them take less than ten minutes."""
    return tuple(name for name in names() if find(name).BY_DEFAULT)


def find(name: str) -> Section:
    """Load one section.

    Raises:
        ModuleNotFoundError: There is no such section.
    """
    return cast("Section", importlib.import_module(f"{__name__}.{name}"))
