"""A report's page in a real browser: readable on a narrow screen, in both schemes, and by everybody."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from services.insight.rendering import to_html
from services.insight.reporting import Reporter
from tests.fakes.figures import PERIOD, MemoryFigures

NARROW: ViewportSize = {"width": 380, "height": 800}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def html() -> str:
    """A report with everything a report can hold."""
    return to_html(asyncio.run(Reporter(MemoryFigures()).report(PERIOD)))


@pytest.fixture(scope="module")
def browser(html: str) -> Iterator[Browser]:
    """A real Chromium; the report is made before, since this one holds the thread's event loop."""
    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
    )
    if not program:
        pytest.skip("no chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=SCHEMES)
def page(request: pytest.FixtureRequest, browser: Browser, html: str) -> Iterator[Page]:
    """The report on a narrow screen, in one scheme."""
    context = browser.new_context(viewport=NARROW, color_scheme=request.param)
    page = context.new_page()
    page.set_content(html)
    yield page
    context.close()


def test_it_fits_a_narrow_screen(page: Page) -> None:
    """At 380 px nothing but wide tables scrolls sideways, and every text is large enough to read."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    sizes = page.evaluate(
        """[...document.querySelectorAll('body *')]
            .filter(each => !each.closest('svg') && each.textContent.trim())
            .map(each => parseFloat(getComputedStyle(each).fontSize))"""
    )
    assert min(sizes) >= 14
    labels = page.evaluate(
        "[...document.querySelectorAll('svg text')].map(each => each.getBoundingClientRect().height)"
    )
    assert min(labels) >= 10


def test_labels_of_a_chart_do_not_overlap(page: Page) -> None:
    """On the narrow screen, too, each label stands apart from the next."""
    overlaps = page.evaluate(
        """[...document.querySelectorAll('svg')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(each => each.getBoundingClientRect());
            return boxes.flatMap((one, place) => boxes.slice(place + 1).filter(two =>
                one.left < two.right - 1 && two.left < one.right - 1 &&
                one.top < two.bottom - 1 && two.top < one.bottom - 1));
        }).length"""
    )
    assert overlaps == 0


def test_it_passes_an_accessibility_check(page: Page) -> None:
    """axe-core finds nothing to complain about: language, headings, captions, contrast, names of charts and regions."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations', 'passes']})")
    assert [(each["id"], [node["html"] for node in each["nodes"]][:2]) for each in found["violations"]] == []
    passed = {each["id"] for each in found["passes"]}
    assert {"color-contrast", "html-has-lang", "page-has-heading-one", "region", "svg-img-alt"} <= passed


def test_it_runs_and_loads_nothing(browser: Browser, html: str) -> None:
    """Hostile text from outside is text: no script runs, no request leaves, no dialog opens."""
    page = browser.new_page()
    left: list[str] = []
    page.on("request", lambda request: left.append(request.url))
    page.on("dialog", lambda dialog: left.append(dialog.message))
    page.set_content(html, wait_until="load")
    assert [each for each in left if not each.startswith("about:")] == []
    assert page.get_by_text("<script>alert('1')</script>").count() > 0
    page.close()
