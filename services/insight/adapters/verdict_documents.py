"""Cases and verdicts as BSON documents, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson import Int64
from bson.codec_options import CodecOptions, DatetimeConversion

from services.insight.labels import Label
from services.insight.scorecard import Site
from services.insight.verdicts import Case, Ruling, Verdict

COLLECTION: Final = "labels"
# Times are compared and handed back, never shown.
TIMES_AS_NUMBERS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_MS
)


def id_of(source: str, tx_id: str) -> str:
    """Return the `_id` of a payment's document; a source holds no colon."""
    return f"{source}:{tx_id}"


def case_of(document: Mapping[str, Any]) -> Case:
    """Return a document of `labels` as a case."""
    source, _, tx_id = document["_id"].partition(":")
    return Case(
        source=source,
        tx_id=tx_id,
        sender=document.get("sender", ""),
        receiver=document.get("receiver", ""),
        at_ms=int(document["at"]),
        vector=bytes(document["vector"]),
        labels={name: Label[each["label"].upper()] for name, each in document.get("labels", {}).items()},
        due_ms=int(document.get("due", 0)),
        verdict=_verdict(document["verdict"]) if "verdict" in document else None,
    )


def of_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as it stands in its payment's document."""
    return {
        "ordinal": Int64(verdict.ordinal),
        "before": _of_ruling(verdict.before),
        "after": _of_ruling(verdict.after),
    }


def _verdict(document: Mapping[str, Any]) -> Verdict:
    return Verdict(
        ordinal=int(document["ordinal"]), before=_ruling(document["before"]), after=_ruling(document["after"])
    )


def _of_ruling(ruling: Ruling | None) -> dict[str, Any] | None:
    if ruling is None:
        return None
    site = ruling.site
    return {"fraud": ruling.fraud, **({"precision": site.precision, "pull": site.pull} if site is not None else {})}


def _ruling(document: Mapping[str, Any] | None) -> Ruling | None:
    if document is None:
        return None
    taught = "pull" in document
    return Ruling(
        fraud=document["fraud"],
        site=Site(precision=document["precision"], pull=document["pull"]) if taught else None,
    )
