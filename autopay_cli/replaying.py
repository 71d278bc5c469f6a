"""Replays a history through insight's detector and says how good the scores were."""

from __future__ import annotations

import csv
import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autopay_cli.failure import Failure
from autopay_cli.history import History
from autopay_cli.progress import Progress

if TYPE_CHECKING:
    from services.insight.evaluation import Judged
    from services.insight.model import Payment
    from services.insight.replay import ReplayOptions

_DAY_MS: Final = 86_400_000
_STEP: Final = 4_096
_FALSE_POSITIVES: Final = 0.01
_MODEL_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which payments are evaluated.

    Attributes:
        first_day: the first day, in whole days since the file's epoch.
        last_day: the last day.
        known_days: senders with a fraud known by then are left out, counting frauds from so many days before the last
            one whose label was known at the start; None keeps everybody.
        k: how many are looked at in a day.
    """

    first_day: int
    last_day: int
    known_days: int | None
    k: int


def replay(history: History, options: ReplayOptions, *, progress: Progress) -> tuple[array[float], float]:
    """Return a score per row in the file's order, and the CPU seconds that scoring and learning took."""
    from services.insight.replay import Replay

    order = sorted(range(len(history)), key=history.at_ms.__getitem__)
    scores = array("d", bytes(8 * len(order)))
    run = Replay(options)
    # Nothing of it is cyclic, and to look for that in some hundred thousand objects again and again takes a tenth.
    gc.disable()
    started_s = time.process_time()
    for place, (row, score) in enumerate(zip(order, run.scores(_payments(history, order)), strict=True)):
        scores[row] = score
        if not place % _STEP:
            progress.reach(place)
    taken_s = time.process_time() - started_s
    gc.enable()
    return scores, taken_s


def options(*, label_delay_ms: int, labels: bool, model: Path | None) -> ReplayOptions:
    """Return how to replay: with an exported model's weights where a file of one is named.

    Raises:
        Failure: the file holds none.
    """
    from services.insight.portable import Unreadable, read_model
    from services.insight.replay import ReplayOptions

    if model is None:
        return ReplayOptions(label_delay_ms=label_delay_ms, labels=labels)
    try:
        with model.open("rb") as file:
            scorecard = read_model(file.readline(_MODEL_BYTES_MAX))
    except (OSError, Unreadable) as error:
        raise Failure(f"{model}: {error}.") from error
    return ReplayOptions(label_delay_ms=label_delay_ms, labels=labels, scorecard=scorecard)


def _payments(history: History, order: Sequence[int]) -> Iterator[tuple[Payment, bool | None]]:
    from services.insight.model import Payment

    at_ms, sender, receiver = history.at_ms, history.sender, history.receiver
    minor_units, fraud = history.minor_units, history.fraud
    for row in order:
        payment = Payment("replay", str(row), sender[row], receiver[row], minor_units[row], "USD", at_ms[row])
        yield payment, fraud[row]


def write_scores(path: Path, scores: Sequence[float]) -> None:
    """Write the column `score`, one row per row of the history."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["score"])
        writer.writerows([f"{score:.6f}"] for score in scores)


def evaluate(history: History, scores: Sequence[float], window: Window, *, label_delay_ms: int) -> dict[str, Any]:
    """Return the figures of the payments in a window."""
    from services.insight import evaluation

    judged = _judged(history, scores)
    within = range(window.first_day, window.last_day + 1)
    bands = evaluation.reliability(each for each in judged if each.at_ms // _DAY_MS in within)
    if window.known_days is not None:
        known_from_ms = (window.first_day - window.known_days) * _DAY_MS - label_delay_ms
        judged = evaluation.without_known(judged, delay_ms=label_delay_ms, known_from_ms=known_from_ms)
    judged = [each for each in judged if each.at_ms // _DAY_MS in within]
    return {
        "days": [window.first_day, window.last_day],
        "payments": len(judged),
        "frauds": sum(each.fraud for each in judged),
        "auc_roc": evaluation.auc_roc(judged),
        "average_precision": evaluation.average_precision(judged),
        f"precision_at_{window.k}": evaluation.precision_at(judged, window.k, by_sender=False),
        f"sender_precision_at_{window.k}": evaluation.precision_at(judged, window.k, by_sender=True),
        # Of everybody: a score is to be right about senders with a known fraud, too.
        "calibration_error": evaluation.calibration_error(bands),
        "frauds_per_foretold": _ratio(
            sum(band.fraud * band.payments for band in bands), sum(band.score * band.payments for band in bands)
        ),
        "reliability": [asdict(band) for band in bands],
    }


def _ratio(actual: float, foretold: float) -> float:
    return actual / foretold if foretold else float("nan")


def caught_by_kind(history: History, scores: Sequence[float], window: Window) -> dict[str, float]:
    """Return the share of injected frauds of each kind that were caught at one false positive in a hundred.

    A fraud of several payments is caught if one of them scores above all but a hundredth of the legitimate
    payments; its first payments may look like any other. The share of the payments is there, too.
    """
    rows = [row for row in range(len(history)) if window.first_day <= history.at_ms[row] // _DAY_MS <= window.last_day]
    legitimate = sorted((scores[row] for row in rows if not history.kind[row]), reverse=True)
    if not legitimate:
        return {}
    threshold = legitimate[min(int(len(legitimate) * _FALSE_POSITIVES), len(legitimate) - 1)]
    attacks: dict[str, list[bool]] = {}
    for row in rows:
        if history.kind[row]:
            attacks.setdefault(history.kind[row], []).append(scores[row] > threshold)
    of_kind: dict[str, list[list[bool]]] = {}
    for attack, hits in attacks.items():
        of_kind.setdefault(attack.partition("/")[0], []).append(hits)
    caught: dict[str, float] = {}
    for kind, each in sorted(of_kind.items()):
        caught[kind] = sum(any(hits) for hits in each) / len(each)
        caught[f"{kind}, payments"] = sum(map(sum, each)) / sum(map(len, each))
    return caught


def _judged(history: History, scores: Sequence[float]) -> list[Judged]:
    from services.insight.evaluation import Judged

    return [
        Judged(at_ms=history.at_ms[row], sender=history.sender[row], score=scores[row], fraud=bool(history.fraud[row]))
        for row in range(len(history))
        if history.fraud[row] is not None
    ]
