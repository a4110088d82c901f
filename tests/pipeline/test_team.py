"""docs/teamwork.md: two clones and one remote, with the real git and dvc. The colleague never gets the raw notes."""

import json
import shutil

import pytest

from tests.pipeline.conftest import Project, stages_run


@pytest.fixture(scope="module")
def owner(project: Project) -> Project:
    """The project where the notes are, pushed to a git repository and a DVC remote beside it."""
    hub, store = (str(project.root.parent / name) for name in ("hub.git", "store"))
    project.run("git", "init", "--quiet", "--bare", "--initial-branch", "main", hub)
    project.run("git", "remote", "add", "origin", hub)
    project.run("dvc", "remote", "add", "--quiet", "--default", "store", store)
    project.commit("remote")
    project.run("git", "push", "--quiet", "--set-upstream", "origin", "main")
    project.run("dvc", "push", "--quiet")
    return project


def clone(owner: Project, name: str) -> Project:
    """A colleague's clone, with the base model, which git ignores, and nothing else that the owner has."""
    made = Project(owner.root.parent / name)
    owner.run("git", "clone", "--quiet", "../hub.git", str(made.root))
    made.run("git", "config", "user.name", "Colleague")
    made.run("git", "config", "user.email", "colleague@example.org")
    shutil.copytree(owner.root / "source", made.root / "source")
    return made


@pytest.fixture(scope="module")
def colleague(owner: Project) -> Project:
    made = clone(owner, "colleague")
    made.run("dvc", "pull", "--quiet")
    return made


def test_after_a_pull_nothing_reruns(owner: Project, colleague: Project) -> None:
    assert colleague.repro("--allow-missing") == ["fingerprint"]
    assert colleague.run("git", "status", "--porcelain") == ""
    assert not (colleague.root / "data/raw").exists(), "raw notes stay where they are"
    for name in ("models/final", "data/predictions.parquet", "reports"):
        assert colleague.bytes_of(name) == owner.bytes_of(name) != {}


def test_with_the_raw_notes_at_hand_a_plain_repro_reruns_nothing(owner: Project) -> None:
    """A colleague of the same hospital, who may see the notes."""
    inside = clone(owner, "inside")
    shutil.copytree(owner.root / "data/raw", inside.root / "data/raw")
    inside.run("git", "pull", "--quiet")
    inside.run("dvc", "pull", "--quiet")
    assert inside.repro() == ["fingerprint"]
    assert inside.run("git", "status", "--porcelain") == ""


def test_the_colleague_can_verify_the_commit(colleague: Project) -> None:
    told = json.loads(colleague.run("dxtune", "verify", "--json", code=1))
    findings = {name: check["findings"] for name, check in told["checks"].items() if check["findings"]}
    assert findings.keys() == {"base model"}, f"its sha256 is null here: {findings}"


def test_ci_needs_no_data_to_see_that_nothing_changed(owner: Project) -> None:
    runner = clone(owner, "runner")
    assert runner.repro("--pull", "--allow-missing") == ["fingerprint"]
    assert not (runner.root / "models/final").exists() and runner.run("git", "status", "--porcelain") == ""


def test_an_experiment_after_the_boundary_goes_from_clone_to_clone(owner: Project, colleague: Project) -> None:
    options = ("--allow-missing", "--name", "lower-gate", "-S", "evaluate.gates.macro_f1_low=0.5")
    assert stages_run(colleague.run("dvc", "exp", "run", *options)) == ["fingerprint", "evaluate", "previous", "report"]
    colleague.run("dvc", "exp", "push", "--quiet", "origin", "lower-gate")
    owner.run("dvc", "exp", "pull", "--quiet", "origin", "lower-gate")
    owner.run("dvc", "exp", "apply", "--quiet", "lower-gate")
    assert owner.repro() == ["fingerprint"], "not even with the raw notes at hand"
    for name in ("reports", "metrics"):
        assert owner.bytes_of(name) == colleague.bytes_of(name) != {}
