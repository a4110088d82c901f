"""comparing/previous.py: the last commit with other figures, whoever looks and whenever, and why there is none."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from dxtune.comparing.page import read_section
from dxtune.comparing.previous import SHOWN, beside_last, last_other
from dxtune.files import write_json
from dxtune.params import load_params
from dxtune.paths import Paths
from tests.comparing.conftest import Project

FIGURES = Path("metrics/evaluate.json")


@pytest.fixture
def copy(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the project, cache and history with it, in which main has figures; the test runs there."""
    shutil.copytree(project.root, tmp_path / "copy", symlinks=True)
    made = Project(tmp_path / "copy")
    monkeypatch.chdir(made.root)
    write_json({"of": "main"}, FIGURES)
    made.commit("figures")
    return made


def change(project: Project) -> None:
    """Another model, and other figures with it."""
    project.set("lr: 1e-4", "lr: 3e-4")
    project.run("dvc", "repro", "--quiet")
    write_json({"of": "better"}, FIGURES)


def section(recorded: dict[str, Any]) -> dict[str, Any]:
    """What the report shows of it."""
    write_json(recorded, Paths().previous)
    return read_section(Paths().previous)


def told(recorded: dict[str, Any]) -> dict[str, Any]:
    return beside_last(recorded, load_params(), Paths())


def test_a_model_stands_beside_that_of_the_last_commit_before_and_after_it_is_committed(copy: Project) -> None:
    before = copy.run("git", "rev-parse", "HEAD").strip()
    change(copy)
    found = told({})
    assert found["of"]["commit"] == before == last_other(Path(), FIGURES)
    assert found["compared"]["metrics"]["accuracy"]["verdict"] == "better"
    assert found["compared"]["subgroups"]["site"]["small"] == {"patients_below_10": 1}
    assert "n-0" not in str(found), "no ids of notes"
    assert (section(found)["a"], section(found)["b"]) == (f"commit {before[:SHOWN]}", "this model")
    copy.commit("better")
    (copy.root / "README.md").write_text("another file", encoding="utf-8")
    copy.commit("another file")
    assert told({}) == found
    assert told(found) is found, "what is known of the same is not measured again"
    other = found | {"of": found["of"] | {"code": "another"}}
    assert told(other) == found, "other code may measure otherwise"


def test_a_clone_keeps_what_was_recorded_and_asks_no_remote(
    copy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    copy.run("dvc", "push", "--quiet")
    change(copy)
    copy.run("dvc", "push", "--quiet")
    recorded = told({})
    copy.commit("better")
    for options in ([], ["--depth", "1"]):
        place = tmp_path / f"clone{len(options)}"
        copy.run("git", "clone", "--quiet", *options, copy.root.as_uri(), str(place))
        clone = Project(place)
        clone.run("dvc", "pull", "--quiet")
        monkeypatch.chdir(clone.root)
        assert told(recorded) == recorded
        write_json({"of": "something else"}, FIGURES)
        found = told(recorded)
        assert "compared" in found, "the last commit is this one, now, and its answers lie here"
        assert found["of"]["commit"] == copy.run("git", "rev-parse", "HEAD").strip()
    monkeypatch.chdir(tmp_path / "clone0")
    shutil.copy(copy.root / FIGURES, FIGURES)
    found = told({})
    assert "is neither in the cache nor in a remote" in found["reason"] and found["of"] == recorded["of"]
    assert section(found) == {"reason": found["reason"]}


def test_where_nothing_is_to_be_held_beside_it_that_is_said(copy: Project, tmp_path: Path) -> None:
    assert told({})["reason"] == "no commit before this one has other figures"
    change(copy)
    copy.set("seed: 13", "seed: 14")
    copy.run("dvc", "repro", "--quiet")
    assert "the test sets differ" in told({})["reason"]
    (tmp_path / "elsewhere/metrics").mkdir(parents=True)
    shutil.copy(FIGURES, tmp_path / "elsewhere" / FIGURES)
    assert last_other(tmp_path / "elsewhere", tmp_path / "elsewhere" / FIGURES) is None, "no git"
