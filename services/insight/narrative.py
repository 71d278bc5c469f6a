"""A report in words, in which no number stands that isn't among its figures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from services.insight.report_model import Narrative, Report, change_percent, spaced

_SENTENCES_MAX: Final = 12
_SENTENCE_MAX: Final = 400
_sentences = re.compile(r"(?<=[.!?])\s+|\n+")
_number = re.compile(r"\d+(?:[.,'’\u00a0\u202f]\d+)*")
_moment = re.compile(r"\b(?:\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2})?|\d{2}:\d{2})\b")
_word = re.compile(r"[a-z]+", re.IGNORECASE)
_WORDS: Final = {
    word: Decimal(value)
    for value, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905 - reads best
        start=2,
    )
}
# Sizes that can't be looked up, or only seem to be exact.
_vague = re.compile(
    r"dozens?|scores?|hundreds?|thousands?|[mbt]r?illions?|half|halve[ds]?|thirds?|quarters?|doubl(?:e[ds]?|ing)|twice|"
    r"tripl(?:e[ds]?|ing)|thrice|quadrupled?|[a-z]*fold|[a-z]+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty[a-z]*",
    re.IGNORECASE,
).fullmatch


class RulesNarrator:
    """Tells the figures themselves, in the same sentences every time."""

    def tell(self, report: Report) -> Narrative:
        """Return the sentences."""
        return Narrative(sentences=tuple(_told(report)), author="rules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a report shows, by kind: 44 payments are not 44 %, and no month.

    Attributes:
        numbers: counts and amounts, without their signs.
        percents: shares and changes, without their signs.
        moments: dates and times, as they stand.
    """

    numbers: frozenset[Decimal]
    percents: frozenset[Decimal]
    moments: frozenset[str]


def checked(narrative: Narrative, report: Report) -> Narrative:
    """Return a narrative without the sentences that hold a number which is not among the report's figures."""
    shown = shown_in(report)
    kept = [
        sentence
        for text in narrative.sentences
        for sentence in _sentences.split(text)
        if 0 < len(sentence.strip()) <= _SENTENCE_MAX and holds(sentence, shown)
    ]
    return Narrative(sentences=tuple(kept[:_SENTENCES_MAX]), author=narrative.author)


def holds(sentence: str, shown: Shown) -> bool:
    """Return whether every number in a sentence, in digits of any script or in words, is one that is shown."""
    text = _in_digits(sentence)
    if text is None or any(moment.replace("T", " ") not in shown.moments for moment in _moment.findall(text)):
        return False
    text = _moment.sub(" ", text)
    for found in _number.finditer(text):
        values = shown.percents if _is_percent(text[found.end() :]) else shown.numbers
        if _value(found[0]) not in values:
            return False
    for word in map(str.lower, _word.findall(text)):
        if _vague(word) or (word in _WORDS and _WORDS[word] not in shown.numbers):
            return False
    return True


def shown_in(report: Report) -> Shown:
    """Return everything a sentence may repeat."""
    edges = (report.period.since_ms, report.period.until_ms, report.period.before.since_ms)
    starts = {*map(_minute, edges), *(slot.start for slot in report.slots)}
    return Shown(
        numbers=frozenset(_numbers(report)),
        percents=frozenset(abs(Decimal(str(value))) for value in _percents(report)),
        moments=frozenset({*starts, *(start[:10] for start in starts), *(start[11:] for start in starts)}),
    )


def _numbers(report: Report) -> Iterator[Decimal]:
    for totals in (report.now, report.before):
        yield from map(Decimal, (totals.count, totals.paid, totals.decided, len(totals.volumes)))
        for volume in totals.volumes:
            yield from map(Decimal, (volume.count, volume.paid, volume.decided))
            for minor_units in (volume.amount, volume.captured, volume.refunded):
                yield Decimal(volume.major(minor_units))
    for _, count in (*report.statuses, *report.levels):
        yield Decimal(count)
    for account in (*report.senders, *report.receivers):
        yield from (Decimal(account.count), Decimal(account.major))
    yield from (Decimal(slot.count) for slot in report.slots)
    yield from map(Decimal, (report.anomaly_count, len(report.anomalies)))


def _percents(report: Report) -> Iterator[float]:
    before = {volume.currency: volume for volume in report.before.volumes}
    pairs = [(report.now.count, report.before.count)]
    for volume in report.now.volumes:
        if volume.decided:
            yield round(100 * volume.paid / volume.decided, 1)
        if earlier := before.get(volume.currency):
            pairs += [(volume.count, earlier.count), (volume.amount, earlier.amount)]
    yield from (percent for pair in pairs if (percent := change_percent(*pair)) is not None)
    yield from (each.success_percent for each in (report.now, report.before) if each.success_percent is not None)


def _told(report: Report) -> Iterator[str]:
    now, before = report.now, report.before
    if not now.count:
        yield "No payment was recorded in this period."
        return
    yield f"{now.count:,} payments were recorded{_compared(now.count, before.count)}."
    if now.success_percent is not None:
        then = f", after {before.success_percent} % in the period before" if before.success_percent is not None else ""
        yield f"{now.success_percent} % of the {now.decided:,} decided ones succeeded{then}."
    first = now.volumes[0]
    amount = f"{spaced(first.major(first.amount))} {first.currency}"
    yield f"Most were in {first.currency}: {first.count:,} of them, {amount} in all."
    busiest = max(report.slots, key=lambda slot: slot.count)
    yield f"The busiest time began at {busiest.start} UTC, with {busiest.count:,} payments."
    if report.anomaly_count:
        yield f"{report.anomaly_count:,} are of high or critical risk and should be looked at."
    else:
        yield "None is of high or critical risk."


def _compared(now: int, before: int) -> str:
    percent = change_percent(now, before)
    if percent is None:
        return ", and none in the period before"
    if not percent:
        return ", as many as in the period before"
    return f", {abs(percent)} % {'more' if percent > 0 else 'fewer'} than in the period before"


def _in_digits(text: str) -> str | None:
    """Return text with every script's digits as ASCII, None where it holds a number that isn't made of digits."""
    if any(unicodedata.category(character) in {"Nl", "No"} for character in text):
        return None
    out = []
    for character in unicodedata.normalize("NFKC", text):
        digit = unicodedata.decimal(character, None)
        out.append(character if digit is None else str(digit))
    return "".join(out)


def _value(token: str) -> Decimal | None:
    """Return a number's value: commas, apostrophes and narrow spaces group thousands, one dot is decimal."""
    parts = re.split(r"[,'’\u00a0\u202f]", token)
    if len(parts) > 1 and any(len(part.partition(".")[0]) != 3 for part in parts[1:]):  # noqa: PLR2004 - thousands
        return None
    try:
        return Decimal("".join(parts))
    except InvalidOperation:
        return None


def _is_percent(after: str) -> bool:
    return after.lstrip()[:7].lower().startswith(("%", "percent", "per cen"))


def _minute(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
