"""dvc.lock, metrics and outputs: what is told of each way in which they can be wrong."""

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version

import pytest

from dxtune.verifying.locked import committed, fingerprint, outputs, up_to_date
from dxtune.verifying.project import Project as Checked
from tests.verifying.conftest import Project


def found(project: Project, check: Callable[..., object]) -> list[str]:
    return [str(finding) for finding in check(Checked()).findings]  # type: ignore[attr-defined]


def test_a_committed_run_has_no_findings(project: Project) -> None:
    for check in (up_to_date, committed, outputs):
        assert found(project, check) == [], check


@pytest.mark.parametrize(
    ("file", "old", "new", "names"),
    [
        (
            "params.yaml",
            "lr: 2e-4",
            "lr: 3e-4",
            "train: params.yaml: train.lr: expected what dvc.lock says, found modified",
        ),
        ("make.py", "import json", "import json, re", "collect: make.py: expected what dvc.lock says, found modified"),
        ("dvc.yaml", "cmd: python make.py train", "cmd: python  make.py train", "train: dvc.yaml"),
        ("data/deidentified/notes.txt", "3", "4", "data/deidentified: expected what dvc.lock says, found modified"),
    ],
)
def test_what_changed_since_the_run_is_named(project: Project, file: str, old: str, new: str, names: str) -> None:
    project.change(file, old, new)
    assert any(names in finding for finding in found(project, up_to_date)), found(project, up_to_date)


def test_absent_notes_are_no_change_but_absent_code_is(project: Project) -> None:
    for name in ("source", "data", "models"):
        shutil.rmtree(project.root / name)
    assert found(project, up_to_date) == [] and found(project, outputs) == [], "all is in the cache"
    (project.root / "make.py").rename(project.root / "made.py")
    assert "train: make.py: expected what dvc.lock says, found deleted" in "\n".join(found(project, up_to_date))


def test_a_stage_that_read_what_no_stage_wrote_is_found(project: Project) -> None:
    lock = (project.root / "dvc.lock").read_text()
    md5 = lock.partition("path: data/deidentified")[2].partition("md5: ")[2][:32]
    head, train, tail = lock.partition("  train:")
    project.write("dvc.lock", head + train + tail.replace(md5, "0" * 32, 1))
    shutil.rmtree(project.root / "data/deidentified")
    assert any("which stage deidentify wrote" in finding for finding in found(project, up_to_date))


def test_other_code_and_packages_than_those_that_ran_are_named(project: Project) -> None:
    assert found(project, fingerprint) == []
    file = project.root / "locks/fingerprint.json"
    recorded = json.loads(file.read_text())
    recorded["code"]["train"], recorded["packages"]["evaluate"]["numpy"] = "0" * 40, "1.0"
    file.write_text(json.dumps(recorded))
    code, numpy = found(project, fingerprint)
    assert code.startswith(f"locks/fingerprint.json: code.train: expected {'0' * 40}, found ")
    assert numpy.startswith(
        f"locks/fingerprint.json: packages.evaluate.numpy: expected 1.0, found {version('numpy')}: make setup"
    )
    file.unlink()
    assert len(found(project, fingerprint)) > 20, "nothing was recorded"


def test_metrics_that_were_not_committed_with_their_lock(project: Project) -> None:
    project.change("params.yaml", "bootstrap_resamples: 1000", "bootstrap_resamples: 500")
    project.run("dvc", "repro", "--quiet")
    project.run("git", "add", "dvc.lock", "params.yaml")
    (finding,) = found(project, committed)
    assert finding.startswith("metrics/evaluate.json: expected the md5") and "git add metrics/evaluate.json" in finding
    project.run("git", "add", "metrics")
    assert found(project, committed) == []
    project.run("git", "rm", "--quiet", "--cached", "dvc.lock", "metrics/plots/loss.csv")
    assert [finding.split(":")[0] for finding in found(project, committed)] == ["dvc.lock", "metrics/plots/loss.csv"]


def test_outputs_here_in_the_remote_or_nowhere(project: Project) -> None:
    assert outputs(Checked()).note.endswith("no default remote is set")
    project.run("dvc", "remote", "add", "--quiet", "--default", "store", str(project.root.parent / "store"))
    project.run("dvc", "push", "--quiet")
    shutil.rmtree(project.root / "models/final")
    shutil.rmtree(project.root / ".dvc/cache")
    assert found(project, outputs) == [], "what is here is here, the model can be pulled"
    shutil.rmtree(project.root.parent / "store/files")
    (finding,) = found(project, outputs)
    assert finding.startswith("models/final: expected it here, or to be pulled (the default remote store), found neither")
