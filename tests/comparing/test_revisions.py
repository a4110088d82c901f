"""`dxtune compare` on real revisions: commits, an experiment and the workspace, what it says, and what stops it."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from dxtune import records
from dxtune.comparing import show
from dxtune.comparing.compare import compare
from dxtune.comparing.measures import measure
from dxtune.comparing.revisions import TRUTH, read
from dxtune.errors import DataError
from dxtune.params import Params, load_params
from dxtune.shards import write_corpus, write_json, write_parquet
from tests.comparing.conftest import Project
from tests.reporting.conftest import write_metrics


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
    better, worse = (compare("main", name, params) for name in ("better", "worse"))
    for figures, verdict in ((better, "better"), (worse, "worse")):
        assert {figures["metrics"][name]["verdict"] for name in ("accuracy", "macro_f1", "brier")} == {verdict}
        assert figures["mcnemar_p"] < 0.001
    assert better["metrics"]["brier"]["difference"] < 0 < better["metrics"]["accuracy"]["difference"]
    same = compare("main", "workspace", params)
    assert {(cell["difference"], cell["verdict"]) for cell in same["metrics"].values()} == {(0.0, "no evidence")}
    assert same["mcnemar_p"] == 1.0 and same["flipped"]["only_a_right"]["note_ids"] == []
    back = compare("better", "main", params)
    assert back["metrics"]["accuracy"]["difference"] == -better["metrics"]["accuracy"]["difference"]
    assert back["flipped"]["only_a_right"] == better["flipped"]["only_b_right"]


def test_the_workspace_is_what_lies_there(project: Project, params: Params) -> None:
    try:
        project.set("lr: 1e-4", "lr: 3e-4")
        project.run("dvc", "repro", "--quiet")
        figures = compare("main", "workspace", params)
        assert figures["metrics"] == compare("main", "better", params)["metrics"]
    finally:
        project.run("git", "checkout", "--quiet", "--force", "main")
        project.run("dvc", "checkout", "--quiet", "--force")


def test_small_subgroups_are_not_shown(params: Params) -> None:
    groups = compare("main", "better", params)["subgroups"]
    assert groups["site"]["small"] == {"patients_below_10": 1}
    assert groups["sex"]["f"]["verdict"] == "better"
    assert {"a", "b", "difference", "difference_low", "difference_high", "verdict"} == set(groups["sex"]["m"])


def test_other_test_sets_are_compared_only_when_asked(params: Params) -> None:
    with pytest.raises(
        DataError, match=r"0 notes only in main, 30 only in other-notes, 1 in both with another label.*119 notes"
    ):
        compare("main", "other-notes", params)
    figures = compare("main", "other-notes", params, intersection=True)
    assert figures["notes"] == 119
    assert figures["metrics"]["accuracy"]["verdict"] == "better"
    assert "The test sets differ; left out are notes only in other-notes: 30 notes of 10 patients" in show.as_text(figures)
    assert json.loads(show.as_json(figures))["left_out"]["other_label_or_patient"] == {"patients_below_10": 1}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere", ["unknown revision 'nowhere'", "dvc exp list", "origin/main"]),
        ("unrun", ["unrun: data/predictions.parquet was never made there", "git checkout unrun, then dvc repro"]),
    ],
)
def test_a_revision_that_cannot_be_read_says_what_to_do(params: Params, name: str, says: list[str]) -> None:
    with pytest.raises(DataError) as error:
        compare(name, "workspace", params)
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


@pytest.mark.parametrize("task", ["multilabel", "question-answering", "generation"])
def test_other_tasks_are_read_with_what_was_learnt_on_validation(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {"note_id": ["n1", "n2"], "patient_id": ["p1", "p2"]}
    targets = {"labels": [["b"], []], "question": ["why?", "who?"], "answer": ["", "SECRET"], "response": ["yes", "no"]}
    says: dict[str, object] = {
        "probabilities": [[0.1, 0.9], [0.2, 0.3]], "start": [0, 0], "end": [1, 6], "no_answer": [1.0, -1.0],
        "prompt": ["?", "?"], "reference": ["yes", "no"], "cut": [False, False], "nll": [1.0, 2.0], "tokens": [2, 2],
        "unlike": [0.5, 0.5],
    }  # fmt: skip
    notes = pl.DataFrame({**ids, "text": ["SECRET", "SECRET"], "sex": ["f", None]})
    notes = notes.with_columns(pl.Series(name, targets[name]) for name in TRUTH[task])
    made = pl.DataFrame({**ids, "split": ["test", "test"], "label_ids": [[1], []]})
    answers = {"answer": ["yes", "yes"]} if task == "generation" else {}
    made = made.with_columns(pl.Series(name, {**says, **answers}[name]) for name in records.OUTPUTS[task])
    write_corpus(notes, tmp_path / "data/processed/test")
    write_parquet(made, tmp_path / "data/predictions.parquet")
    write_json(["a", "b"], tmp_path / "data/processed/labels.json")
    write_json({"thresholds": [0.5, 0.5], "no_answer": 0.0}, tmp_path / "models/final/dxtune.json")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    side = read("workspace", ["sex"])
    assert (side.task, side.notes["sex"].to_list()) == (task, ["f", None])
    assert ("text" in side.notes.columns) == (task == "question-answering"), "the answer is a piece of it"
    assert side.labels == (["a", "b"] if task == "multilabel" else [])
    assert bool(side.settings) == (task != "generation")
    assert measure(side, side.labels, 10).right.tolist() == {"generation": [1, 0]}.get(task, [1, 1])


def test_text_and_markdown_name_notes_by_id_and_escape_what_comes_from_data(params: Params) -> None:
    figures = compare("main", "better", params)
    text, page = show.as_text(figures), show.as_markdown(figures)
    assert text.splitlines()[0] == "main -> better: classification, 120 notes of 40 patients"
    assert page.startswith("### main → better: classification")
    assert "&#60;b&#62;&#124;north" in page and "<b>" not in page
    assert figures["flipped"]["only_b_right"]["note_ids"][0] in text
    assert not any("SECRET" in each for each in (text, page, show.as_json(figures)))


def test_the_command_compares_main_with_the_workspace_or_says_what_is_wrong(project: Project) -> None:
    assert project.run("dxtune", "compare").startswith("main -> workspace: classification, 120 notes")
    made = json.loads(project.run("dxtune", "compare", "main", "better", "--json"))
    assert made["metrics"]["accuracy"]["verdict"] == "better"
    assert "DataError: unknown revision" in project.run("dxtune", "compare", "nowhere", code=1)
    assert "one of --json, --md and --html" in project.run("dxtune", "compare", "--json", "--md", code=2)


def test_the_report_of_the_workspace_is_written_with_the_last_commit_beside_it(project: Project, tmp_path: Path) -> None:
    write_metrics(project.root / "metrics")
    try:
        page = tmp_path / "comparison.html"
        assert project.run("dxtune", "compare", "HEAD", "--html", str(page)) == ""
        assert "Workspace beside HEAD" in page.read_text() and "Results on the test split" in page.read_text()
        for wrong in (("main", "better", "--html", str(page)), ("HEAD", "--html", "reports/comparison.html")):
            assert "the report of the workspace" in project.run("dxtune", "compare", *wrong, code=2)
    finally:
        shutil.rmtree(project.root / "metrics")
