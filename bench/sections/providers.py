"""What a provider costs the hot path: microseconds per verification and per mapping of an ordinary delivery."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from autopay_cli.recipes import samples as deliveries
from autopay_cli.recipes.signing import NOW_S
from bench import comparing
from bench.gates import Gate
from providers import registry
from providers.contract import Certified, Options, Provider, Secret, Verified, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import RenderableType

    from autopay_cli.recipes.samples import Sample
    from autopay_cli.recipes.signing import Request
    from bench.plan import Plan

TITLE = "Verification and mapping, by provider"
BY_DEFAULT = True
_BODY_BYTES: Final = 1_024
_NATIVE: Final = "autopay"
_NATIVE_VERIFY_US_MAX: Final = 15.0
_WINDOW: Final = Window()
_REPEATS: Final = 7
_REPEAT_S: Final = 0.02
# Each fits the key of every scheme: text, hexadecimal, or base64 of 24 bytes and more.
_SECRET: Final = "0123456789abcdef" * 4


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure every vectors file's first delivery, brought to 1 KiB where it is smaller."""
    found: dict[str, Any] = {}
    known = registry.load()
    for name in deliveries.names():
        sample = deliveries.load(name)
        figures = _measure(_configured(known[sample.provider], sample), sample, repeats=_REPEATS * plan.rounds)
        found[name] = figures
        say(f"  {name:<18} verify {figures['verify_us']:7.1f} µs  map {figures['map_us']:6.1f} µs")
    return {"providers": found}


def _configured(provider: Provider, sample: Sample) -> Provider:
    options = sample.options
    table = {**options.get("table", {}), **sample.recipe.options}
    return provider.configured(Options(url=options.get("url", ""), live=options.get("live"), table=table))


def _measure(provider: Provider, sample: Sample, *, repeats: int) -> dict[str, Any]:
    request = sample.recipe.sign(padded(sample.body), _SECRET)
    for name, value in sample.unsigned.items():
        request = request.having(name, value)
    lookup, secrets = request.lookup, (Secret("current", _SECRET),)
    verified = _verification(provider, request, secrets)()
    headers = {name: lookup[name].encode() for name in provider.kept_headers if name in lookup}
    return {
        "body_bytes": len(request.body),
        "verify_us": fastest_us(_verification(provider, request, secrets), repeats=repeats),
        "map_us": fastest_us(lambda: provider.map(verified.body, headers), repeats=repeats),
    }


def _verification(provider: Provider, request: Request, secrets: tuple[Secret, ...]) -> Callable[[], Verified]:
    body, lookup, chain = request.body, request.lookup, request.chain
    if isinstance(provider, Certified):
        certified = provider
        return lambda: certified.verify_certified(body, lookup, secrets, chain=chain, now_s=NOW_S, window=_WINDOW)
    return lambda: provider.verify(body, lookup, secrets, now_s=NOW_S, window=_WINDOW)


def padded(body: bytes) -> bytes:
    """Return a JSON object with a field that means nothing, so that it has 1 KiB; a larger one as it is."""
    fields = json.loads(body)
    fields["padding"] = ""
    missing = _BODY_BYTES - len(_sent(fields))
    return _sent({**fields, "padding": "x" * missing}) if missing >= 0 else body


def _sent(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def fastest_us(work: Callable[[], object], *, repeats: int) -> float:
    """Return the CPU time of one call: the least of several averages, which others on the machine disturb least."""
    calls, taken_s = 1, 0.0
    while taken_s < _REPEAT_S:
        calls *= 2
        taken_s = _taken_s(work, calls)
    return min(_taken_s(work, calls) for _ in range(repeats)) / calls * 1e6


def _taken_s(work: Callable[[], object], calls: int) -> float:
    started_s = time.thread_time()
    for _ in range(calls):
        work()
    return time.thread_time() - started_s


def gates(figures: dict[str, Any]) -> list[Gate]:
    """Hold the native verification against its limit."""
    native = figures["providers"][_NATIVE]
    name = f"native verification of {native['body_bytes']:,} bytes"
    return [Gate(name=name, value=native["verify_us"], limit=_NATIVE_VERIFY_US_MAX, unit="µs", at_most=True)]


def tables(figures: dict[str, Any]) -> list[RenderableType]:
    """Lay out a row per vectors file."""
    caption = "the hash of 1 KiB is part of it; PayPal's chain is checked anew each time"
    table = Table(title=f"{TITLE} (CPU)", title_justify="left", caption=caption, caption_justify="left")
    table.add_column("vectors", no_wrap=True)
    for heading in ("body, bytes", "verify, µs", "map, µs"):
        table.add_column(heading, justify="right")
    for name, each in figures["providers"].items():
        table.add_row(name, f"{each['body_bytes']:,}", f"{each['verify_us']:.1f}", f"{each['map_us']:.1f}")
    return [table]


def samples(figures: dict[str, Any]) -> dict[str, comparing.Sample]:
    """Compare verification and mapping."""
    return {
        f"{name}: {what}": comparing.Sample(values=(each[f"{what}_us"],), unit="µs", more_is_better=False)
        for name, each in figures["providers"].items()
        for what in ("verify", "map")
    }


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:  # noqa: ARG001 - the table says it
    """Draw nothing."""
    return []
