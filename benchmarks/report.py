"""How large a run's report is, and how fast a browser opens it.

    python benchmarks/report.py runs/mine

Chromium loads ``report.html`` from the disk in a fresh window, several times. Open means: laid out,
and every figure decoded, also those below the window's end.
"""

import argparse
import shutil
import statistics
from pathlib import Path

import pandas as pd
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

OPENED = """async () => {
    await Promise.all([...document.images].map(image => image.decode()));
    return performance.now();
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    report = arguments.run.resolve() / "report.html"
    loaded, opened = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for _ in range(arguments.repeats):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(report.as_uri())
            [timing] = page.evaluate(
                "performance.getEntriesByType('navigation').map(e => e.toJSON())"
            )
            loaded.append(timing["loadEventEnd"] / 1000)
            opened.append(page.evaluate(OPENED) / 1000)
            figures = page.evaluate("document.images.length")
            page.close()
        browser.close()
    trials = len(pd.read_parquet(arguments.run / "trials.parquet"))
    table = Table(title=f"The report of {trials} trials, {figures} figures")
    for title in ("size", "page loaded, median", "every figure decoded, median", "slowest"):
        table.add_column(title, justify="right")
    table.add_row(
        f"{report.stat().st_size / 1e6:.2f} MB",
        f"{statistics.median(loaded):.2f} s",
        f"{statistics.median(opened):.2f} s",
        f"{max(opened):.2f} s",
    )
    Console().print(table)


if __name__ == "__main__":
    main()
