"""`dvc plots show` and `dvc plots diff` in a real Chromium without a network: every curve of dvc.yaml is drawn."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.reporting.conftest import DIAGNOSES, write_metrics
from tests.reporting.test_browser import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plots of the project's dvc.yaml over made-up metrics, of which two commits have different ones."""
    folder = tmp_path_factory.mktemp("plots")
    kept = {"config", ".gitignore", "plots.html"}
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=lambda where, names: {*names} - kept)
    write_metrics(folder / "metrics", DIAGNOSES[:10])  # DVC escapes no text, and the others hold tags
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    drawn = [each for each in plots if files_of(each, folder)]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": drawn}), encoding="utf-8")
    run(folder, "git", "init", "--quiet")
    for name, value in (("user.name", "Test"), ("user.email", "test@example.org")):
        run(folder, "git", "config", name, value)
    for loss in ("1.0", "2.0"):
        with (folder / "metrics/plots/loss.csv").open("a", encoding="utf-8") as file:
            file.write(f"300,{loss}\n")
        run(folder, "git", "add", "--all")
        run(folder, "git", "commit", "--quiet", "--message", loss)
    return folder


def files_of(plot: dict[str, dict[str, dict[str, object]]], folder: Path) -> bool:
    """Whether the files of one entry of dvc.yaml's plots exist."""
    return all((folder / file).is_file() for each in plot.values() for file in each["y"])


@pytest.mark.parametrize("command", [("show",), ("diff", "HEAD~1")], ids=["show", "diff"])
def test_every_curve_is_drawn_without_a_network(project: Path, command: tuple[str, ...]) -> None:
    from playwright.sync_api import sync_playwright

    run(project, sys.executable, "-m", "dvc", "plots", *command, "--out", "page")
    page, asked, failed = project / "page/index.html", [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_context(offline=True).new_page()
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("pageerror", lambda error: failed.append(str(error)))
        opened.goto(page.as_uri(), wait_until="load")
        plots = "[...document.querySelectorAll('body > div:not(#vg-tooltip-element)')]"
        opened.wait_for_function(f"{plots}.every(each => each.querySelector('canvas, svg'))")
        drawn = opened.eval_on_selector_all("body > div[id]", "found => found.map(each => each.id)")
        browser.close()
    assert (asked, failed) == ([page.as_uri()], [])
    assert {"loss", "roc", "calibration", "confusion", "decision"} <= {*drawn}
