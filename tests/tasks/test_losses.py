"""`losses` of the tasks with an encoder: note by note what the loss of training is the mean of."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from dxtune.tasks import classification, multilabel, question_answering
from dxtune.tasks.spans import UNKNOWN

SETTINGS = {"pad_token_id": 0}
IDS = [[2, 10, 11, 12, 3], [2, 40, 3], [2, 50, 51, 3], [2, 60, 61, 62, 63, 3]]
TEACHES: dict[ModuleType, dict[str, Any]] = {
    classification: {"label_id": [0, 2, 1, 1]},
    multilabel: {"label_ids": [[0, 2], [], [1], [0]]},
    question_answering: {"start_token": [1, 0, 2, 3], "end_token": [2, 0, 2, 4]},
}


def tokens(names: str, **columns: Any) -> pl.DataFrame:
    return pl.DataFrame(
        {"note_id": list(names), "input_ids": IDS, **columns}, schema_overrides={"input_ids": pl.List(pl.Int32)}
    )


@pytest.mark.parametrize("task", TEACHES, ids=lambda task: task.__name__.rpartition(".")[2])
def test_their_mean_is_the_loss_of_training(tiny_model: Path, task: ModuleType) -> None:
    torch.manual_seed(0)
    model, rows = task.build(tiny_model, 3, 0.0, 0.0).eval(), tokens("dbac", **TEACHES[task])
    made = task.losses(model, rows, SETTINGS, False)
    assert made["note_id"].to_list() == ["d", "b", "a", "c"]
    ends = 2 if task is question_answering else 1  # a note's loss is that of both
    assert made["loss"].mean() / ends == pytest.approx(model(**task.collate(rows.to_dicts(), 0, 3))["loss"].item(), abs=1e-5)
    assert made["loss"].n_unique() == 4


@pytest.mark.parametrize("task", [classification, multilabel])
def test_windows_of_a_note_answer_together(tiny_model: Path, task: ModuleType) -> None:
    torch.manual_seed(0)
    model, (name, values) = task.build(tiny_model, 3, 0.0, 0.0).eval(), next(iter(TEACHES[task].items()))
    rows = tokens("aabb", **{name: [values[0], values[0], values[2], values[2]]})
    made = task.losses(model, rows, SETTINGS, False)
    logits = model(**task.collate(rows[:2].to_dicts(), 0, 3))["logits"].mean(0, keepdim=True)
    target = task.collate(rows[:1].to_dicts(), 0, 3)["labels"]
    assert made["loss"][0] == pytest.approx(float(task.cross_entropy(logits, target).detach()) / target.numel(), abs=1e-5)
    assert made["note_id"].to_list() == ["a", "b"]


def test_a_note_whose_answer_does_not_stand_in_it_teaches_nothing(tiny_model: Path) -> None:
    torch.manual_seed(0)
    model = question_answering.build(tiny_model, 0, 0.0, 0.0).eval()
    each = question_answering.losses(model, tokens("abcd", **TEACHES[question_answering]), SETTINGS, False)["loss"].to_numpy()
    rows = tokens("abbc", start_token=[1, UNKNOWN, UNKNOWN, 3], end_token=[2, UNKNOWN, UNKNOWN, 4])
    made = question_answering.losses(model, rows, SETTINGS, False)
    assert made["note_id"].to_list() == ["a", "c"]
    np.testing.assert_allclose(made["loss"], each[[0, 3]], atol=1e-5)
