"""The model as lines of JSON: versioned, exact to the last bit, and readable by whoever gets it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.insight.detector import FEATURES_VERSION, LEVELS_FROM, TOLD_FROM, TOLD_POINTS_MIN, Scorecard
from services.insight.features import FEATURES, NAMES
from services.insight.memory import EMPTY, sums_of
from services.insight.profile import ProfileState
from services.insight.scorecard import BASE

MODEL: Final = "model/1"
PROFILES: Final = "profiles/1"
_encode: Final = msgspec.json.encode
_decode: Final = msgspec.json.decode
_MET: Final = ("met", "met_before")


class Unreadable(ValueError):  # noqa: N818 - what the line is
    """A line that is no part of a model of this version."""


def model_line(scorecard: Scorecard, *, sequence: int) -> bytes:
    """Return the detector itself: weights, thresholds, versions, and the ordinal of the last payment it has learnt."""
    *weights, base = scorecard.weights
    return _line(
        {
            "format": MODEL,
            "model_version": scorecard.version,
            "features_version": FEATURES_VERSION,
            "verdicts": scorecard.verdicts,
            "sequence": sequence,
            # The log-odds are the calibration: the scorecard is fitted so that its logistic is a probability.
            "link": "logistic",
            "base": {"weight": base, "rule": BASE},
            "features": [
                {
                    "name": feature.name,
                    "reason": feature.reason,
                    "weight": weight,
                    "rule": feature.weight,
                    "spread": feature.spread,
                }
                for feature, weight in zip(FEATURES, weights, strict=True)
            ],
            "levels_from": {level.name.lower(): bound for level, bound in LEVELS_FROM.items()},
            "reasons_from": {"score": TOLD_FROM, "points": TOLD_POINTS_MIN},
        }
    )


def profile_line(key: str, state: ProfileState) -> bytes:
    """Return one account or one source, its sums by name."""
    sides = {"sends": state.sends, "receives": state.receives}
    filled = {side: _sums(memory) for side, memory in sides.items() if memory != EMPTY}
    return _line({"key": key, "sequence": state.sequence, "judged": state.judged, **filled})


def read_model(line: bytes) -> Scorecard:
    """Return the scorecard that a line of `model_line` holds.

    Raises:
        Unreadable: it is none, or its features are not those of this version.
    """
    found = _object(line)
    try:
        if (found["format"], found["features_version"]) != (MODEL, FEATURES_VERSION):
            message = f"a model of {found['format']}, features {found['features_version']}"
            raise Unreadable(message)
        weights = {each["name"]: float(each["weight"]) for each in found["features"]}
        return Scorecard(
            weights=(*(weights[name] for name in NAMES), float(found["base"]["weight"])),
            verdicts=int(found["verdicts"]),
        )
    except (KeyError, TypeError) as error:
        raise Unreadable("not a model") from error


def _line(fields: Mapping[str, Any]) -> bytes:
    return _encode(fields) + b"\n"


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = _decode(line)
    except msgspec.DecodeError as error:
        raise Unreadable("not a line of JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("not an object")
    return found


def _sums(memory: bytes) -> Mapping[str, Any]:
    named: dict[str, Any] = sums_of(memory)._asdict()
    for name in _MET:
        named[name] = b64encode(named[name]).decode()
    return named
