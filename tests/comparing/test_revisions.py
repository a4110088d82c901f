"""`dxtune compare` on real revisions: commits, an experiment and the workspace, what it says, and what stops it."""

import json
from pathlib import Path

import pytest

from dxtune import comparing
from dxtune.comparing.revisions import read
from dxtune.errors import DataError
from dxtune.params import Params, load_params
from tests.comparing.conftest import Project


@pytest.fixture
def params(project: Project, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The project's settings; the test runs in its folder."""
    monkeypatch.chdir(project.root)
    return load_params()


def test_a_revision_is_read_without_a_checkout_and_without_texts(project: Project, params: Params) -> None:
    before = project.run("git", "rev-parse", "HEAD"), (project.root / "data/predictions.parquet").read_bytes()
    side = read("better", params.collect.subgroup_columns)
    assert (side.task, side.labels, side.notes.height) == ("classification", ["asthma", "copd", "pneumonia"], 120)
    assert "text" not in side.notes.columns
    assert (project.run("git", "rev-parse", "HEAD"), (project.root / "data/predictions.parquet").read_bytes()) == before


def test_commits_experiment_and_workspace_get_their_verdicts(params: Params) -> None:
    better, worse = (comparing.compare("main", name, params) for name in ("better", "worse"))
    for figures, verdict in ((better, "better"), (worse, "worse")):
        assert {figures["metrics"][name]["verdict"] for name in ("accuracy", "macro_f1", "brier")} == {verdict}
        assert figures["mcnemar_p"] < 0.001
    assert better["metrics"]["brier"]["difference"] < 0 < better["metrics"]["accuracy"]["difference"]
    same = comparing.compare("main", "workspace", params)
    assert {(cell["difference"], cell["verdict"]) for cell in same["metrics"].values()} == {(0.0, "no evidence")}
    assert same["mcnemar_p"] == 1.0 and same["flipped"]["only_a_right"]["note_ids"] == []
    back = comparing.compare("better", "main", params)
    assert back["metrics"]["accuracy"]["difference"] == -better["metrics"]["accuracy"]["difference"]
    assert back["flipped"]["only_a_right"] == better["flipped"]["only_b_right"]


def test_the_workspace_is_what_lies_there(project: Project, params: Params) -> None:
    try:
        project.set("lr: 1e-4", "lr: 3e-4")
        project.run("dvc", "repro", "--quiet")
        figures = comparing.compare("main", "workspace", params)
        assert figures["metrics"] == comparing.compare("main", "better", params)["metrics"]
    finally:
        project.run("git", "checkout", "--quiet", "--force", "main")
        project.run("dvc", "checkout", "--quiet", "--force")


def test_small_subgroups_are_not_shown(params: Params) -> None:
    groups = comparing.compare("main", "better", params)["subgroups"]
    assert groups["site"]["small"] == {"patients_below_10": 1}
    assert groups["sex"]["f"]["verdict"] == "better"
    assert {"a", "b", "difference", "difference_low", "difference_high", "verdict"} == set(groups["sex"]["m"])


def test_other_test_sets_are_compared_only_when_asked(params: Params) -> None:
    with pytest.raises(
        DataError, match=r"0 notes only in main, 30 only in other-notes, 1 in both with another label.*119 notes"
    ):
        comparing.compare("main", "other-notes", params)
    figures = comparing.compare("main", "other-notes", params, intersection=True)
    assert figures["notes"] == 119
    assert figures["metrics"]["accuracy"]["verdict"] == "better"
    assert "The test sets differ; left out are notes only in other-notes: 30 notes of 10 patients" in comparing.as_text(figures)
    assert json.loads(comparing.as_json(figures))["left_out"]["other_label_or_patient"] == {"patients_below_10": 1}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere", ["unknown revision 'nowhere'", "dvc exp list", "origin/main"]),
        ("unrun", ["unrun: data/predictions.parquet was never made there", "git checkout unrun, then dvc repro"]),
    ],
)
def test_a_revision_that_cannot_be_read_says_what_to_do(params: Params, name: str, says: list[str]) -> None:
    with pytest.raises(DataError) as error:
        comparing.compare(name, "workspace", params)
    assert all(words in str(error.value) for words in says), error.value


def test_what_is_not_in_the_cache_comes_from_the_remote_and_else_is_named(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("git", "clone", "--quiet", str(project.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    monkeypatch.chdir(clone.root)
    with pytest.raises(DataError, match=r"better: data/predictions.parquet is neither in the cache nor in a remote.*dvc fetch"):
        read("better", [])
    with pytest.raises(DataError, match=r"workspace: data/predictions.parquet is neither.*dvc pull -r REMOTE"):
        read("workspace", [])
    project.run("dvc", "remote", "add", "--local", "store", str(tmp_path / "store"))
    project.run("git", "checkout", "--quiet", "better")
    project.run("dvc", "push", "--quiet", "--remote", "store")
    project.run("git", "checkout", "--quiet", "main")
    clone.run("dvc", "remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    assert read("better", []).notes.height == 120
    assert not (clone.root / "data/predictions.parquet").exists(), "read, not pulled"


def test_text_and_markdown_name_notes_by_id_and_escape_what_comes_from_data(params: Params) -> None:
    figures = comparing.compare("main", "better", params)
    text, page = comparing.as_text(figures), comparing.as_markdown(figures)
    assert text.splitlines()[0] == "main -> better: classification, 120 notes of 40 patients"
    assert page.startswith("### main → better: classification")
    assert "&#60;b&#62;&#124;north" in page and "<b>" not in page
    assert figures["flipped"]["only_b_right"]["note_ids"][0] in text
    assert not any("SECRET" in each for each in (text, page, comparing.as_json(figures)))


def test_the_command_compares_main_with_the_workspace_or_says_what_is_wrong(project: Project) -> None:
    assert project.run("dxtune", "compare").startswith("main -> workspace: classification, 120 notes")
    made = json.loads(project.run("dxtune", "compare", "main", "better", "--json"))
    assert made["metrics"]["accuracy"]["verdict"] == "better"
    assert "DataError: unknown revision" in project.run("dxtune", "compare", "nowhere", code=1)
    assert "one of --json and --md" in project.run("dxtune", "compare", "--json", "--md", code=2)
