"""report.html in a real Chromium: no error, no request, no obstacle for a screen reader; narrow, dark and printed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dxtune.comparing.page import compared
from dxtune.comparing.show import shareable
from dxtune.params import load_params
from dxtune.reporting.facts import read_facts
from dxtune.reporting.report import render_report
from tests.comparing.test_page import figures
from tests.conftest import ROOT
from tests.reporting.conftest import write_metrics

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    file, params = folder / "report.html", load_params(ROOT / "params.yaml")
    by_site = params.model_copy(update={"collect": params.collect.model_copy(update={"subgroup_columns": ("site",)})})
    beside = compared(shareable(figures(by_site)))
    file.write_text(render_report(read_facts(write_metrics(folder / "metrics")), params, compared=beside), "utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Any]:
    """The page, and what it asked for and complained of until it was loaded."""
    page = browser.new_page(bypass_csp=True)  # axe is put into the page, which lets no script in
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(report.as_uri(), wait_until="load")
    yield page
    page.close()


def test_it_asks_for_nothing_and_complains_of_nothing(opened: Any, report: Path) -> None:
    assert opened.asked == [report.as_uri()]
    assert opened.said == []
    assert report.stat().st_size < 3_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_obstacle(opened: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    opened.emulate_media(color_scheme=scheme)
    found = Axe().run(opened).response["violations"]
    assert [(each["id"], each["nodes"][0]["target"], each["nodes"][0]["failureSummary"]) for each in found] == []


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_every_section_can_be_reached_with_the_keyboard_alone(opened: Any) -> None:
    reached = []
    for _ in range(60):
        opened.keyboard.press("Tab")
        reached.append(opened.evaluate("document.activeElement.getAttribute('href') || document.activeElement.tagName"))
    links = opened.eval_on_selector_all("nav a", "links => links.map(link => link.getAttribute('href'))")
    assert reached[0] == "#headline" and set(links) <= set(reached)
    assert opened.evaluate("getComputedStyle(document.querySelector('.scroll[tabindex]')).overflowX") == "auto"


def test_it_prints_all_of_itself(opened: Any, tmp_path: Path) -> None:
    printed = opened.pdf(path=tmp_path / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 3
    opened.emulate_media(media="print")
    assert opened.eval_on_selector_all("nav", "each => each.every(one => getComputedStyle(one).display === 'none')")
