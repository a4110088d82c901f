"""start.py: what is refused before the first trial."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dxtune.errors import ParamsError
from dxtune.paths import Paths
from dxtune.sweep.start import METRICS, prepare
from dxtune.tasks import find_task
from tests.conftest import ROOT

SEARCH = ["train.lr=[0.001,0.002]"]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A git repository with params.yaml in it and nothing else: no dvc."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    person = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "params.yaml"], [*person, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return Paths(tmp_path)


def refusal(paths: Paths, metric: str | None = None, name: str = "sweep") -> str:
    with pytest.raises(ParamsError) as error, prepare(SEARCH, metric, name, 13, paths):
        pass
    return str(error.value)


@pytest.mark.parametrize("metric", ["test.macro_f1", "macro_f1", "validation_micro_f1", "baseline.tfidf_macro_f1"])
def test_a_metric_that_is_not_of_validation_is_refused(paths: Paths, metric: str) -> None:
    said = refusal(paths, metric=metric)
    assert f"--metric {metric}: expected validation_macro_f1 or validation_accuracy" in said and "validation alone" in said


@pytest.mark.parametrize("name", ["", "a b", "../a", "-a"])
def test_a_name_that_is_no_name_of_experiments_is_refused(paths: Paths, name: str) -> None:
    assert "letters, digits, - and _" in refusal(paths, name=name)


def test_a_tree_with_changes_is_refused_and_so_is_a_folder_without_git(paths: Paths, tmp_path: Path) -> None:
    assert "a pipeline that DVC can read" in refusal(paths), "all is well but that there is no pipeline"
    with (paths.root / "params.yaml").open("a") as file:
        file.write("# another comment\n")
    said = refusal(paths)
    assert "expected no uncommitted changes, found some in params.yaml" in said and "git commit" in said
    (tmp_path / ".git").rename(tmp_path / "gone")
    assert "expected a git repository" in refusal(paths)


def test_without_optuna_it_says_what_to_install(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'dxtune[sweep]'" in refusal(paths)


def test_the_metrics_are_those_that_the_tasks_give_and_the_first_is_the_one_that_counts() -> None:
    one = {"note_id": ["a", "b"]}
    spans = {"answer_start": [0, 0], "answer_end": [5, 5], "start_token": [1, 1], "end_token": [1, 1]}
    spans |= {"starts": [[-1, 0]] * 2, "ends": [[-1, 5]] * 2}
    tables = {
        "classification": (pl.DataFrame({**one, "label_id": [0, 1]}), np.eye(2)),
        "multilabel": (pl.DataFrame({**one, "label_ids": [[0], [1]]}), np.eye(2)),
        "question-answering": (pl.DataFrame({**one, **spans}), np.zeros((2, 2, 2))),
        "generation": (pl.DataFrame(one), np.ones((2, 2))),
    }
    assert tables.keys() == METRICS.keys()
    for task, (table, logits) in tables.items():
        found = find_task(task).scorer(table)(logits)
        assert list(found)[: len(METRICS[task])] == list(METRICS[task]), task
