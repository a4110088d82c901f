"""The three commands that users live in, with the real dvc: what reruns, what is compared, what is refused."""

import json
import time

import pytest

from benchmarks import crash_drill
from tests.pipeline.conftest import Project, set_param, stages_run

PIPELINE = ["collect", "deidentify", "preprocess", "tokenize", "train", "evaluate", "probe", "explain", "report"]
OUTPUTS = ("data", "models", "metrics", "reports")


@pytest.fixture(autouse=True)
def _as_committed(project: Project) -> None:
    """Every test starts from the committed first run."""
    project.run("git", "checkout", "--quiet", "--force", "main")
    project.run("dvc", "checkout", "--quiet", "--force", "--allow-missing", code=0)


def test_first_run_leaves_nothing_untracked_and_all_outputs(project: Project) -> None:
    assert project.run("git", "status", "--porcelain") == ""
    for name in ("data/raw/manifest.json", "models/final/model.safetensors", "data/predictions.parquet", "reports/report.html"):
        assert (project.root / name).is_file(), name
    assert 'class="weighed"' in (project.root / "reports/report.html").read_text(), "words of synthetic notes may be shown"
    assert not list((project.root / ".cache").rglob("checkpoint-*")), "a finished run keeps no checkpoint"
    cached = {path.name for path in (project.root / ".dvc/cache").rglob("*") if path.is_file()}
    raw = json.loads((project.root / "data/raw/manifest.json").read_text())
    assert cached and raw["shards"], "something is cached, and the raw corpus is there"


def test_nothing_reruns_without_a_change(project: Project) -> None:
    assert project.repro() == []
    project.run("dvc", "status", "--quiet")


def test_learning_rate_reruns_training_and_what_follows(project: Project) -> None:
    before = project.bytes_of("data/tokens", "data/processed")
    set_param(project.root, "train", "lr", 0.0015)
    assert project.repro() == ["check", "train", "evaluate", "probe", "explain", "report"]
    assert project.bytes_of("data/tokens", "data/processed") == before


def test_evaluation_setting_does_not_retrain(project: Project) -> None:
    set_param(project.root, "evaluate", "calibration_bins", 5)
    assert project.repro() == ["check", "evaluate", "report"], "the predictions are the same"


def test_a_rebuild_from_nothing_that_is_killed_again_and_again_gives_the_same_lock(project: Project) -> None:
    expected = project.bytes_of("dvc.lock")["dvc.lock"]
    assert crash_drill.kills(project, expected, seconds=10, count=4).well


def test_experiment_gets_the_float_to_the_optimiser(project: Project) -> None:
    output = project.run("dvc", "exp", "run", "-S", "train.lr=3e-5")
    assert stages_run(output) == ["check", "train", "evaluate", "probe", "explain", "report"]
    assert json.loads((project.root / "metrics/train.json").read_text())["lr"] == 3e-5
    assert "3e-05" in (project.root / "params.yaml").read_text(), "dvc writes the form that YAML 1.1 reads as a string"


def test_metrics_and_plots_are_compared_across_branches(project: Project) -> None:
    project.run("git", "checkout", "--quiet", "-b", "other")
    set_param(project.root, "train", "epochs", 1)
    project.repro()
    project.commit("one epoch")
    table = project.run("dvc", "metrics", "diff", "main", "--md")
    changed = {cells[2] for line in table.splitlines() if len(cells := [cell.strip() for cell in line.split("|")]) > 4}
    assert {"epochs", "steps", "test.brier"} <= changed, table
    page = project.run("dvc", "plots", "diff", "main", "workspace").strip().splitlines()[-1]
    html = (project.root / page.removeprefix("file://")).read_text(encoding="utf-8") if page.startswith("file://") else ""
    assert "Training loss" in html and "ROC" in html, page


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.lr=abc", ["train.lr", "abc", "number"]),
        ("train.lrr=1", ["train.lrr"]),
        ("+train.lrr=1", ["train.lrr", "did you mean train.lr?"]),
        ("preprocess.test_share=0.95", ["preprocess.test_share"]),
    ],
)
def test_wrong_setting_fails_at_once_and_leaves_the_outputs(project: Project, override: str, says: list[str]) -> None:
    before = project.bytes_of(*OUTPUTS)
    started = time.monotonic()
    output = project.run("dvc", "exp", "run", "-S", override, code=255)
    assert time.monotonic() - started < 60, "before any stage does work"
    assert set(stages_run(output)) <= {"check"}
    assert all(words in output for words in says), output
    assert project.bytes_of(*OUTPUTS) == before
    assert project.bytes_of("models/final/model.safetensors")
