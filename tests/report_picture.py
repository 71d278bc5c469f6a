"""Draws docs/report.png, the picture in docs/reports.md: `python -m tests.report_picture` (needs chromium)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from services.insight.rendering import to_html
from services.insight.reporting import Reporter
from tests.fakes.figures import PERIOD, MemoryFigures

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "report.png"


def main() -> None:
    """Draw the report in both schemes, the light one wide and the dark one on a narrow screen beside it."""
    report = Reporter(MemoryFigures(tidy=True), clock=lambda: PERIOD.until_ms / 1000).report(PERIOD)
    html = to_html(asyncio.run(report))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shots = []
        for width, scheme in ((760, "light"), (380, "dark")):
            context = browser.new_context(
                viewport={"width": width, "height": 1_150},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            page.set_content(html)
            shots.append(page.screenshot())
        both = browser.new_page(viewport={"width": 1_156, "height": 1_150})
        both.set_content('<body style="margin:0;display:flex;gap:16px;background:#a1a1aa"><img id="a"><img id="b">')
        for name, shot in zip("ab", shots, strict=True):
            both.evaluate(
                "async ([name, bytes]) => { const image = document.getElementById(name);"
                "image.src = URL.createObjectURL(new Blob([new Uint8Array(bytes)])); await image.decode(); }",
                [name, list(shot)],
            )
        both.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
