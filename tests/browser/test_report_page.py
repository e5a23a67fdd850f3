"""The report in a real browser: on a desk and on a telephone, light and dark, and on paper."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_run import VIEWS, random_trials, write_prepared, write_searched, write_tested
from report_numbers import unexplained_numbers

from evensweep.results.report import write_report
from evensweep.results.run_directory import RunDirectory
from evensweep.results.summary import write_summary

DESK, TELEPHONE = 1280, 390

TOO_WIDE = """() => [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.wide') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""
"""Elements that stick out of the window; tables may be scrolled in a frame of their own."""

BROKEN = """async () => {
    const broken = [];
    for (const image of document.images) {
        await image.decode().catch(() => broken.push(image.alt));
        if (!image.naturalWidth || !image.alt) broken.push(image.alt || 'without alt');
    }
    return broken;
}"""

MISSING_TARGETS = """() => [...document.querySelectorAll('a[href^="#"]')]
    .filter(a => !document.getElementById(a.getAttribute('href').slice(1)))
    .map(a => a.textContent)"""

FAINT = """() => {
    const luminance = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
            .map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = e => {
        for (; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (!/rgba\\(.*, 0\\)/.test(colour)) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const found = new Set();
    for (const e of document.querySelectorAll('body *')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
        const [a, b] = [luminance(getComputedStyle(e).color), luminance(background(e))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.add(`${e.tagName} ${contrast.toFixed(1)}`);
    }
    return [...found];
}"""
"""Text with less contrast than the WCAG's 4.5 to 1."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A made-up run of 500 trials and 20 members, with its report."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "large")
    trials = random_trials(250)
    write_prepared(run)
    write_searched(run, trials)
    write_tested(run, members=tuple(f"{v}-{n:03d}" for v in VIEWS for n in range(10)))
    write_report(run, write_summary(run, "complete"), trials)
    return run


@pytest.fixture(scope="module")
def looked_at(large: RunDirectory) -> Path:
    """The report to look at; the README's pictures show a real run's."""
    given = os.environ.get("EVENSWEEP_PICTURE_RUN")
    return Path(given).resolve() / "report.html" if given else large.report


def test_500_trials_make_less_than_5_mb_of_numbers_that_are_the_runs(large: RunDirectory) -> None:
    assert large.report.stat().st_size < 5e6
    assert (large.plots / "importance.csv").exists()
    assert unexplained_numbers(large) == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_nothing_is_missing_cut_off_or_faint(
    looked_at: Path,
    visit: Callable[..., Any],
    picture: Callable[[str], Path],
    tmp_path: Path,
    width: int,
    scheme: str,
) -> None:
    page, troubles = visit(looked_at.as_uri(), width, scheme)
    assert page.evaluate(BROKEN) == []
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(MISSING_TARGETS) == []
    assert page.evaluate(FAINT) == []
    assert troubles == []
    kind = "desk" if width == DESK else "telephone"
    page.screenshot(path=picture(f"report-{kind}-{scheme}.png"))
    page.locator("#hyperparameters").screenshot(path=tmp_path / f"figures-{kind}-{scheme}.png")


def test_the_checks_find_what_they_look_for(visit: Callable[..., Any], tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(
        "<body style='background: #fff'><p style='color: #ccc'>faint</p>"
        "<div style='width: 3000px'>wide</div><img alt='gone' src='data:image/png;base64,AAAA'>"
        "<a href='#nowhere'>link</a><script>throw new Error('a fault')</script>"
    )
    page, troubles = visit(spoilt.as_uri())
    assert page.evaluate(FAINT) == ["P 1.6"]
    assert any("wide" in found for found in page.evaluate(TOO_WIDE))
    assert "gone" in page.evaluate(BROKEN)
    assert page.evaluate(MISSING_TARGETS) == ["link"]
    assert any("a fault" in trouble for trouble in troubles)


def test_dark_figures_are_dark_and_light_ones_light(
    large: RunDirectory, visit: Callable[..., Any]
) -> None:
    filters = {}
    for scheme in ("light", "dark"):
        page, _ = visit(large.report.as_uri(), DESK, scheme)
        filters[scheme] = page.evaluate("getComputedStyle(document.images[0]).filter")
        page.emulate_media(media="print", color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.images[0]).filter") == "none"
    assert filters["light"] == "none"
    assert "invert" in filters["dark"]


def test_it_prints(large: RunDirectory, visit: Callable[..., Any], tmp_path: Path) -> None:
    page, _ = visit(large.report.as_uri())
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") >= 3


def test_sections_are_reached_from_the_top(large: RunDirectory, visit: Callable[..., Any]) -> None:
    page, _ = visit(large.report.as_uri())
    for link in page.locator("nav a").all():
        link.click()
        name = link.get_attribute("href")
        assert page.locator(name).bounding_box()["y"] < 900, name
