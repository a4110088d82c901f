"""safety/robustness.py: the drop and its interval against figures worked out from the same answers."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score

from dxtune.params import Evaluate, load_params
from dxtune.safety.robustness import TABLE, robustness
from tests.conftest import ROOT

NOTES = 60


@pytest.fixture
def how() -> Evaluate:
    return load_params(ROOT / "params.yaml").evaluate.model_copy(update={"bootstrap_resamples": 200})


def made(values: np.ndarray) -> pl.Series:
    return pl.Series("probabilities", values.tolist(), dtype=pl.List(pl.Float64))


def notes(**labels: object) -> pl.DataFrame:
    """Two notes a patient."""
    ids = {"note_id": [f"n{row:02}" for row in range(NOTES)], "patient_id": [f"p{row // 2:02}" for row in range(NOTES)]}
    return pl.DataFrame({**ids, **labels})


def test_classification(how: Evaluate) -> None:
    truth = np.arange(NOTES) % 3
    right = np.eye(3)[truth] * 0.8 + 0.1
    wrong = np.eye(3)[(truth + 1) % 3] * 0.8 + 0.1
    test = notes(label_id=truth).with_columns(made(right))
    others = {
        "half": test[:30].with_columns(made(wrong[:30])),
        "none": test.with_columns(made(right * 0.9 + 0.03)),
        "few": test[:18].with_columns(made(wrong[:18])),
    }
    figures, table = robustness(test, others, {}, how)
    guess = np.where(np.arange(NOTES) < 30, (truth + 1) % 3, truth)
    half = figures["half"]
    assert (figures["macro_f1"], figures["macro_f1_low"], figures["patients"]) == (1, 1, 30)
    assert half["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert half["drop"] == pytest.approx(1 - half["macro_f1"]) and half["changed_share"] == 0.5
    assert half["drop_low"] < half["drop"] < half["drop_high"]
    assert (half["touched_share"], figures["none"]["touched_share"]) == (0.5, 1)
    assert (figures["none"]["drop"], figures["none"]["changed_share"], figures["none"]["drop_high"]) == (0, 0, 0)
    assert figures["few"] == {"patients_below_10": 1}, "nine patients"
    assert list(table.schema) == list(TABLE) and table["perturbation"].to_list() == ["half", "none"]
    assert table["drop"].to_list() == pytest.approx([half["drop"], 0], abs=1e-6)
    json.dumps(figures, allow_nan=False)
    assert robustness(test, others, {}, how)[0] == figures, "the same again"


def test_multilabel_by_the_thresholds_of_the_model(how: Evaluate) -> None:
    truth = [[0, 1] if row % 2 else [1] for row in range(NOTES)]
    values = np.array([[0.3 if 0 in row else 0.1, 0.9] for row in truth])
    test = notes(label_ids=truth).with_columns(made(values))
    figures, _ = robustness(test, {"lower": test.with_columns(made(values - 0.15))}, {"thresholds": [0.2, 0.5]}, how)
    assert figures["macro_f1"] == 1
    assert figures["lower"]["changed_share"] == 0.5, "the first label is lost where it was"
    assert figures["lower"]["drop"] == pytest.approx(0.5)


def test_a_test_split_of_few_patients_shows_nothing(how: Evaluate) -> None:
    test = notes(label_id=[0] * NOTES).with_columns(made(np.ones((NOTES, 1))))[:18]
    figures, table = robustness(test, {"all": test}, {}, how)
    assert figures == {"patients_below_10": 1} and table.is_empty()
