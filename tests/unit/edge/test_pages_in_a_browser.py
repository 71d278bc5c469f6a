"""The documents' pages in a real browser: they draw the API, complain of nothing and ask no other host."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.async_api import ConsoleMessage, Page, Request, async_playwright

from tests.unit.edge.rig import Edge

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")


class Watched:
    """What a page said and asked for."""

    def __init__(self, page: Page) -> None:
        """Listen to `page`."""
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asks)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asks(self, request: Request) -> None:
        self.asked.append(request.url)


@pytest.mark.parametrize(
    ("path", "drawn"),
    [("/docs", "#operations-payments-getTransactions"), ("/redoc", '[data-section-id="operation/getTransactions"]')],
)
async def test_a_page_draws_the_api(edge: Edge, path: str, drawn: str) -> None:
    """The operations are there, the console is silent, and every request went to this edge."""
    base = f"http://{edge.host}:{edge.port}"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*arguments, "--disable-gpu"])
        page = await browser.new_page()
        watched = Watched(page)
        await page.goto(base + path)
        await page.wait_for_selector(drawn, state="attached", timeout=60_000)
        text = await page.inner_text("body")
        await browser.close()
    assert "Payments, page by page" in text
    assert watched.complaints == []
    assert [url for url in watched.asked if not url.startswith((base, "data:"))] == []
    assert f"{base}/openapi.json" in watched.asked
