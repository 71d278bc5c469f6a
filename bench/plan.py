"""What one run of the benchmark does, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run's settings; a round measures every server once, in turn, so that drift hits them all alike."""

    duration_s: float
    warmup_s: float
    concurrencies: tuple[int, ...]
    rounds: int
    servers: tuple[str, ...]
    scratch: Path
    payments: int = 50_000
