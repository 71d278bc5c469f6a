"""Reports: figures as the ledger has them, compared, masked, complete, and rendered safely."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

from mesh.errors import Fault
from services.insight.charts import bar_chart, column_chart
from services.insight.gemini_narrator import INSTRUCTION, GeminiNarrator
from services.insight.rendering import to_html, to_json, to_markdown
from services.insight.report_making import ReportMaker
from services.insight.report_model import Narrative, Period, Report, Slot, masked_account, spaced
from services.insight.report_ports import By, Group
from services.insight.reporting import DAY_MS, Reporter
from tests.fakes.figures import PERIOD, MemoryFigures
from tests.gemini_rig import Rig
from tests.unit.insight.prompts import ScriptedModel, answer, down


@pytest.fixture
async def report() -> Report:
    """A report of made-up figures."""
    return await Reporter(MemoryFigures(), clock=lambda: PERIOD.until_ms / 1000).report(PERIOD)


async def test_figures_are_summed_per_currency_and_compared(report: Report) -> None:
    """Amounts stay apart, counts add up, and the period before has half of everything."""
    assert [volume.currency for volume in report.now.volumes] == ["EUR", "USD", "JPY"]
    euros = report.now.volumes[0]
    assert (euros.count, euros.paid, euros.decided) == (6_381, 6_071, 6_381)
    assert (euros.amount, euros.major(euros.amount)) == (6_381 * 4_211, "268703.91")
    assert report.now.count == 9_303
    assert report.now.success_percent == round(100 * 8_977 / 9_287, 1)
    assert report.before.count == sum(count // 2 for count in (6_020, 310, 44, 7, 2_811, 16, 95))
    assert report.statuses[0] == ("success", 8_926)
    assert report.levels == [("critical", 7), ("high", 16), ("medium", 44), ("low", 9_141), ("unscored", 95)]
    assert report.anomaly_count == 23


async def test_every_hour_is_there(report: Report) -> None:
    """An hour without a payment is a zero, not a gap."""
    counts = [slot.count for slot in report.slots]
    assert [place for place, count in enumerate(counts) if not count] == [0, 5, 22, 23]
    assert sum(counts) == report.now.count
    assert len(report.slots) == 24
    assert report.slots[23].start == "2027-01-30 23:00"


async def test_a_long_period_is_by_day() -> None:
    """Beyond a week a bar stands for a day."""
    figures = MemoryFigures()
    long = Period(since_ms=PERIOD.since_ms, until_ms=PERIOD.since_ms + 31 * DAY_MS)
    report = await Reporter(figures).report(long)
    assert [slot.start for slot in report.slots][:2] == ["2027-01-30", "2027-01-31"]
    assert len(report.slots) == 31
    assert (By.STATUS, By.RISK_LEVEL, By.DAY) in [by for _, by, _ in figures.asked]
    assert (long.before, (By.STATUS,), 10_000) in figures.asked


async def test_more_groups_than_one_answer_holds_are_asked_for_apart() -> None:
    """Where status, level and time together are too many, none is left out of either."""

    class Many(MemoryFigures):
        async def groups(self, period: Period, by: Sequence[By], *, most: int) -> Sequence[Group]:
            found = list(await super().groups(period, by, most=most))
            return (found + found[:1] * most)[:most] if len(by) == 3 else found

    figures = Many()
    report = await Reporter(figures).report(PERIOD)
    assert report.now.count == sum(slot.count for slot in report.slots) == 9_303
    asked = [by for period, by, _ in figures.asked if period == PERIOD]
    assert {(By.STATUS, By.RISK_LEVEL), (By.HOUR,)} <= set(asked)


async def test_accounts_are_masked(report: Report) -> None:
    """Neither top accounts nor anomalies show a whole account; unknown ones are no account."""
    assert len(report.senders) == 10
    assert {each.name for each in report.senders} <= {f"AC…-{place}" for place in range(10)}
    assert masked_account("ABC") == "A…"
    assert masked_account("") == "unknown"
    for rendered in (to_html(report), to_markdown(report), to_json(report).decode()):
        assert "ACC-S" not in rendered


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        """Parse it."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.append((tag, dict(attrs)))


async def test_the_page_stands_alone_and_is_safe(report: Report) -> None:
    """No script, nothing loaded, and hostile text is text."""
    html = to_html(report)
    page = Page(html)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "b"} & set(names)
    assert "alert('1')" not in html
    assert "&lt;script&gt;" in html
    assert not [attributes for _, attributes in page.tags if {"src", "href", "onclick", "onload"} & set(attributes)]
    assert page.tags[0] == ("html", {"lang": "en"})
    assert names.count("h1") == 1
    assert names.count("table") == names.count("caption") == 3
    assert len(html.encode()) < 100_000


async def test_a_chart_says_what_it_shows(report: Report) -> None:
    """Each has a title and a description of its own, and each column its value."""
    html = to_html(report)
    charts = [attributes for tag, attributes in Page(html).tags if tag == "svg"]
    assert len(charts) == 3
    for attributes in charts:
        assert attributes["role"] == "img"
        for identifier in (attributes["aria-labelledby"] or "").split():
            assert html.count(f'id="{identifier}"') == 1
    assert f"2027-01-30 21:00: {report.slots[21].count:,}" in html


def test_charts_of_nothing_are_drawn() -> None:
    """No slot, no row, only zeros: never a division by zero."""
    assert "<svg" in column_chart((), name="n", title="t")
    assert "<svg" in column_chart([Slot(start="2027-01-30 00:00", count=0)], name="n", title="t")
    assert "Nothing." in bar_chart((), name="n", title="t")
    assert "&lt;b&gt;" in bar_chart([("<b>", 0)], name="n", title="t")


async def test_markdown_keeps_its_tables_whole(report: Report) -> None:
    """What would be markup in Markdown is shown as it is."""
    lines = to_markdown(report).splitlines()
    for line in lines:
        if line.startswith("| autopay/"):
            assert line.replace("\\|", "").count("|") == 7
    assert not [line for line in lines if "<script>" in line]


async def test_json_holds_exact_amounts(report: Report) -> None:
    """Decimal strings in major units, of each currency's own decimals."""
    body = json.loads(to_json(report))
    amounts = {each["currency"]: each["amount"] for each in body["now"]["volumes"]}
    assert amounts == {"EUR": "268703.91", "USD": "119044.97", "JPY": "400045"}
    assert body["since"] == "2027-01-30T00:00:00Z"
    assert (len(body["slots"]), len(body["anomalies"]), body["anomaly_count"]) == (24, 20, 23)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("1234567.50", "1,234,567.50"), ("999.99 EUR", "999.99 EUR"), ("1000 JPY", "1,000 JPY"), ("unknown", "unknown")],
)
def test_thousands_stand_apart(amount: str, shown: str) -> None:
    """Nothing but commas is added."""
    assert spaced(amount) == shown


async def test_an_empty_period_is_a_report() -> None:
    """Nothing recorded renders in every format."""
    report = await Reporter(MemoryFigures(empty=True)).report(PERIOD)
    assert "No payment was recorded" in to_html(report)
    assert "None." in to_markdown(report)
    assert json.loads(to_json(report))["now"]["count"] == 0


class Telling:
    """A narrator that says what it is told to, perhaps too late."""

    def __init__(self, *sentences: str, after_s: float = 0) -> None:
        """Say these."""
        self._sentences = sentences
        self._after_s = after_s

    async def narrate(self, report: Report) -> Narrative | None:
        """Say them."""
        await asyncio.sleep(self._after_s)
        return Narrative(sentences=self._sentences, author="m-1") if self._sentences else None


async def test_a_narrators_false_numbers_are_left_out() -> None:
    """What is true stays, and names its author; what is left empty is told by the rules."""
    report = await Reporter(MemoryFigures(), narrator=Telling("9,303 came.", "77 % failed.")).report(PERIOD)
    assert report.narrative == Narrative(sentences=("9,303 came.",), author="m-1")
    assert "every number in it was checked" in to_html(report)
    for narrator in (Telling("77 % failed."), Telling()):
        assert (await Reporter(MemoryFigures(), narrator=narrator).report(PERIOD)).narrative.author == "rules"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ('{"sentences": ["9,303 came. <b>x</b> https://evil.example"]}', ("9,303 came. x [link]",)),
        ('{"sentences": "no list"}', None),
        ('{"sentences": [1]}', None),
        ('{"sentences": [], "more": 1}', None),
        ("{", None),
    ],
)
async def test_a_models_narrative_is_checked_for_its_shape(
    report: Report, text: str, sentences: tuple[str, ...] | None
) -> None:
    """Only a list of sentences is one, without markup; no account and no payment's id leaves for it."""
    rig = Rig(model=ScriptedModel(lambda _: answer(text)))
    told = await GeminiNarrator(rig.bounded, rig.gate).narrate(report)
    assert (told.sentences if told else None) == sentences
    (asked,) = rig.model.asked  # type: ignore[attr-defined] # it is scripted
    assert asked.instruction == INSTRUCTION
    assert not any(word in asked.data for word in ("AC…", "T-1", "autopay", "script"))


async def test_without_a_model_the_rules_tell(report: Report) -> None:
    """Down, or behind a shut gate: nobody is waited for."""
    rig = Rig(model=ScriptedModel(down("503")))
    assert await GeminiNarrator(rig.bounded, rig.gate).narrate(report) is None
    shut = Rig(model=ScriptedModel(lambda _: answer()), usd_max=0.0)
    assert await GeminiNarrator(shut.bounded, shut.gate).narrate(report) is None
    assert shut.model.asked == []  # type: ignore[attr-defined] # it is scripted


@pytest.mark.parametrize(("since_ms", "until_ms"), [(0, 5), (5, 5), (6, 5), (-1, 5), (1, 367 * DAY_MS)])
async def test_a_period_that_is_none_is_refused(since_ms: int, until_ms: int) -> None:
    """Empty, backwards or longer than a year."""
    maker = ReportMaker(Reporter(MemoryFigures()), None, to_pdf=str.encode)  # type: ignore[arg-type] # not looked at
    with pytest.raises(Fault) as refused:
        await maker.make(Period(since_ms=since_ms, until_ms=until_ms), "json")
    assert refused.value.reason == "INVALID_FIELD"
