"""lock.py: dvc.lock merged by git with the driver of docs/teamwork.md, on branches that the real dvc made."""

import shutil
from pathlib import Path

import pytest

from dxtune.errors import DataError
from dxtune.lock import merge, read_stages
from tests.conftest import ROOT
from tests.pipeline.conftest import stages_run
from tests.verifying.conftest import Project, start


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project on main, and branches of it, each with other settings and committed runs: rate, bins, patients."""
    made = start(tmp_path_factory.mktemp("merge") / "project")
    made.run("git", "config", "merge.dvc-lock.driver", "dxtune lock-merge %O %A %B")
    for name, old, new in [
        ("rate", "lr: 2e-4", "lr: 3e-4"),
        ("bins", "bootstrap_resamples: 1000", "bootstrap_resamples: 500"),
        ("patients", "notes: 1500", "notes: 1400"),
    ]:
        made.run("git", "checkout", "--quiet", "-b", name, "main")
        made.change("params.yaml", old, new)
        made.run("dvc", "repro", "--quiet")
        made.commit(name)
    return made


def check_out(project: Project, branch: str) -> None:
    project.run("git", "checkout", "--quiet", "--force", "-B", "work", branch)
    project.run("dvc", "checkout", "--quiet", "--force", "--allow-missing")


def test_what_dvc_wrote_stays_as_it_wrote_it(tmp_path: Path) -> None:
    for name in ("base", "ours", "theirs"):
        shutil.copy(ROOT / "dvc.lock", tmp_path / name)
    assert merge(*(tmp_path / name for name in ("base", "ours", "theirs"))) == []
    assert (tmp_path / "ours").read_bytes() == (ROOT / "dvc.lock").read_bytes()


def test_branches_that_changed_different_stages_merge_and_nothing_reruns(branches: Project) -> None:
    check_out(branches, "bins")
    branches.run("git", "merge", "--quiet", "--no-edit", "patients")
    assert stages_run(branches.run("dvc", "repro")) == []
    assert branches.run("git", "status", "--porcelain") == ""


def test_a_stage_that_both_changed_reruns_and_no_other(branches: Project) -> None:
    check_out(branches, "bins")
    said = branches.run("git", "merge", "rate", code=1)
    assert "both branches changed evaluate: they are left out" in said and "CONFLICT" in said
    assert "evaluate" not in read_stages(branches.root / "dvc.lock")
    assert "<<<<" not in (branches.root / "metrics/evaluate.json").read_text(), "no lines of two runs"
    branches.run("dvc", "checkout", "--quiet", "--allow-missing")
    assert stages_run(branches.run("dvc", "repro")) == ["evaluate"]
    branches.run("git", "add", "dvc.lock", "metrics")
    branches.run("git", "commit", "--quiet", "--no-edit")
    assert '"bins": 500' in (branches.root / "metrics/evaluate.json").read_text()
    branches.run("dxtune", "verify")


def test_stages_that_one_side_added_or_removed(tmp_path: Path) -> None:
    sides = {"base": {"a": 1, "gone": 1, "old": 1}, "ours": {"a": 1, "old": 2, "new": 1}, "theirs": {"a": 2, "gone": 1}}
    for name, stages in sides.items():
        lines = [f"  {stage}:\n    cmd: run {version}" for stage, version in stages.items()]
        (tmp_path / name).write_text("\n".join(["schema: '2.0'", "stages:", *lines]))
    assert merge(*(tmp_path / name for name in sides)) == []
    merged = {stage: entry["cmd"] for stage, entry in read_stages(tmp_path / "ours").items()}
    assert merged == {"a": "run 2", "new": "run 1"}, "what one side removed and the other changed is gone, too"


def test_a_file_that_is_no_lock_is_left_as_it_is(tmp_path: Path) -> None:
    shutil.copy(ROOT / "dvc.lock", tmp_path / "base")
    (tmp_path / "theirs").write_text("<<<<<<< ours\nstages: {}\n")
    shutil.copy(ROOT / "dvc.lock", tmp_path / "ours")
    with pytest.raises(DataError, match="theirs: expected the stages that DVC writes"):
        merge(*(tmp_path / name for name in ("base", "ours", "theirs")))
    assert (tmp_path / "ours").read_bytes() == (ROOT / "dvc.lock").read_bytes()
