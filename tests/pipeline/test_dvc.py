"""The three commands that users live in, with the real dvc: what reruns, what is compared, what is refused."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

from benchmarks import crash_drill
from tests.pipeline.conftest import Project, set_param, stages_run

PIPELINE = ["collect", "deidentify", "preprocess", "tokenize", "train", "evaluate", "probe", "explain", "previous", "report"]
OUTPUTS = ("data", "models", "metrics", "reports")


@pytest.fixture(autouse=True)
def _as_committed(project: Project) -> None:
    """Every test starts from the committed first run."""
    project.run("git", "checkout", "--quiet", "--force", "main")
    project.run("git", "clean", "--quiet", "--force", "-d")
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
    assert project.repro() == ["fingerprint"]
    assert json.loads(project.run("dvc", "status", "--json")) == {"fingerprint": ["always changed"]}
    project.run("dvc", "status", "--quiet", *PIPELINE)
    assert project.run("git", "status", "--porcelain") == ""


def edit(project: Project, file: str, old: str, new: str) -> None:
    """Changes a source file, as a person would."""
    path = project.root / "src/dxtune" / file
    text = path.read_text(encoding="utf-8")
    assert old in text, file
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_comments_and_settings_that_no_stage_uses_rerun_nothing(project: Project) -> None:
    edit(project, "shards/corpus.py", "import io", "# a comment\nimport  io")
    edit(project, "stages/train.py", '"""Writes the fine-tuned', '"""Another docstring: the fine-tuned')
    set_param(project.root, "data", "workers", 1)
    assert project.repro() == ["fingerprint"]
    assert project.run("git", "diff", "--name-only").split() == [
        "params.yaml", "src/dxtune/shards/corpus.py", "src/dxtune/stages/train.py"
    ]  # fmt: skip


def test_a_new_setting_reruns_nothing(project: Project) -> None:
    edit(project, "params.py", "    cache_gb:", '    colour: str\n    """Of nothing."""\n    cache_gb:')
    (project.root / "params.yaml").write_text(
        (project.root / "params.yaml").read_text().replace("  cache_gb:", "  colour: blue\n  cache_gb:")
    )
    assert project.repro() == ["fingerprint"]
    assert "data.colour = 'blue'" in project.run("dxtune", "params", "show")


def test_a_shared_helper_reruns_its_users(project: Project) -> None:
    edit(project, "corpus/sections.py", "SECTIONS = {", "UNUSED = 1\nSECTIONS = {")
    assert project.repro() == ["fingerprint", "preprocess", "probe"], "what they make is the same, so nothing follows"


def test_another_release_of_torch_reruns_what_computes_with_it(project: Project) -> None:
    release = version("torch").partition("+")[0] + ".post1"
    found = project.root / f"src/torch-{release}.dist-info"  # where packages are looked for first
    found.mkdir()
    (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {release}\n")
    project.repro("fingerprint")
    assert release in project.run("git", "diff", "locks/fingerprint.json")
    assert project.repro("--dry") == ["fingerprint", "train", "evaluate", "probe", "explain"]


def preprocess_while(project: Project, change: Callable[[], None]) -> tuple[int, str]:
    """Runs the stage, and makes a change in the middle of it: the exit code of dvc, and all that was printed."""
    shutil.rmtree(project.root / ".cache/shards/preprocess", ignore_errors=True)
    command = ["dvc", "repro", "--force", "--single-item", "preprocess"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=project.root, env=project.environment(), **pipes) as process:
        while not (project.root / ".cache/preprocess").exists():
            assert process.poll() is None
            time.sleep(0.005)
        change()
        output, _ = process.communicate()
    return process.returncode, output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda project: edit(project, "corpus/leaks.py", "MIN_LIFT", "UNUSED = 1\nMIN_LIFT"), "code.preprocess"),
        (lambda project: set_param(project.root, "preprocess", "seed", 14), "preprocess.seed"),
    ],
    ids=["code", "setting"],
)
def test_what_changes_while_a_stage_runs_is_not_recorded(
    project: Project, change: Callable[[Project], None], says: str
) -> None:
    before = project.bytes_of("dvc.lock")
    code, output = preprocess_while(project, lambda: change(project))
    assert code == 255 and "DataError: preprocess: expected nothing that it depends on to change while it ran" in output
    assert f"but {says} did" in output
    assert project.bytes_of("dvc.lock") == before
    assert not (project.root / ".cache/shards/preprocess").exists(), "shards of the old code or of the new: nobody knows"


def test_what_a_stage_does_not_use_may_change_while_it_runs(project: Project) -> None:
    def change() -> None:
        set_param(project.root, "train", "lr", 0.0015)
        edit(project, "corpus/leaks.py", "MIN_LIFT", "# a comment\nMIN_LIFT")
        edit(project, "reporting/why.py", "FAINT", "UNUSED = 1\nFAINT")

    code, output = preprocess_while(project, change)
    assert code == 0, output


def test_a_stage_whose_fingerprint_is_of_other_code_does_not_start(project: Project) -> None:
    edit(project, "reporting/why.py", "FAINT", "UNUSED = 1\nFAINT")
    output = project.run("dvc", "repro", "--force", "--single-item", "report", code=255)
    assert "its code.report is of other code, packages or files than are here: run dvc repro" in output
    assert project.repro() == ["fingerprint", "report"]


def test_learning_rate_reruns_training_and_what_follows(project: Project) -> None:
    before = project.bytes_of("data/tokens", "data/processed")
    set_param(project.root, "train", "lr", 0.0015)
    assert project.repro() == ["fingerprint", "train", "evaluate", "probe", "explain", "previous", "report"]
    assert project.bytes_of("data/tokens", "data/processed") == before


def test_evaluation_setting_does_not_retrain(project: Project) -> None:
    set_param(project.root, "evaluate", "gates", "{}")
    assert project.repro() == ["fingerprint", "evaluate", "previous", "report"], "the predictions are the same"


def test_forced_rebuild_gives_the_same_lock(project: Project) -> None:
    before = project.bytes_of("dvc.lock")
    assert project.repro("--force") == ["fingerprint", *PIPELINE]
    assert project.bytes_of("dvc.lock") == before


def test_a_rebuild_from_nothing_that_is_killed_again_and_again_gives_the_same_lock(project: Project) -> None:
    expected = project.bytes_of("dvc.lock")["dvc.lock"]
    assert crash_drill.kills(project, expected, seconds=10, count=2).well


def test_experiment_gets_the_float_to_the_optimiser(project: Project) -> None:
    output = project.run("dvc", "exp", "run", "-S", "train.lr=3e-5")
    assert stages_run(output) == ["fingerprint", "train", "evaluate", "probe", "explain", "previous", "report"]
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
    main = project.run("git", "rev-parse", "main").strip()
    beside = json.loads((project.root / "metrics/previous.json").read_text(encoding="utf-8"))
    assert beside["of"]["commit"] == main and "verdict" in beside["compared"]["metrics"]["accuracy"]
    assert f"This model beside commit {main[:8]}" in (project.root / "reports/report.html").read_text(encoding="utf-8")


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
    assert set(stages_run(output)) <= {"fingerprint"}
    assert all(words in output for words in says), output
    assert project.bytes_of(*OUTPUTS) == before
    assert project.bytes_of("models/final/model.safetensors")
