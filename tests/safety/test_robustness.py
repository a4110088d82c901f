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


def test_question_answering_by_the_words_of_the_answer(how: Evaluate) -> None:
    text, other = "there was a dry cough since monday", "There was a DRY COUGH since monday!"
    test = notes(text=[text] * NOTES, answer=["dry cough"] * (NOTES - 4) + [""] * 4)
    said = test.with_columns(start=pl.lit(12), end=pl.lit(21), no_answer=pl.lit(-1.0))
    others = {
        "capitals": said[:40].with_columns(text=pl.lit(other)),
        "wrong": said[:20].with_columns(start=pl.lit(22), end=pl.lit(34)),
        "silent": said.with_columns(no_answer=pl.lit(1.0)),
    }
    figures, table = robustness(said, others, {"no_answer": 0.0}, how)
    assert figures["token_f1"] == pytest.approx(56 / 60)
    assert (figures["capitals"]["drop"], figures["capitals"]["changed_share"]) == (0, 0), "the same words"
    assert figures["wrong"]["drop"] == pytest.approx(20 / 60) == figures["wrong"]["changed_share"]
    assert figures["silent"]["token_f1"] == pytest.approx(4 / 60) and figures["silent"]["changed_share"] == 1
    assert table["value"].to_list() == pytest.approx([56 / 60, 36 / 60, 4 / 60], abs=1e-6)
    assert "monday" not in json.dumps(figures)


def test_generation_by_the_likelihood_of_the_response(how: Evaluate) -> None:
    test = notes(text=["a prompt"] * NOTES, response=["told"] * NOTES, loss=[1.0] * NOTES)
    figures, table = robustness(test, {"typos": test[:30].with_columns(loss=pl.lit(1.5))}, {}, how)
    assert figures["log_likelihood"] == -1 and figures["typos"]["log_likelihood"] == -1.25
    assert figures["typos"]["drop"] == 0.25 and "changed_share" not in figures["typos"]
    assert table.row(0, named=True)["changed_share"] is None and table["drop"].to_list() == [0.25]


def test_the_site_that_falls_most_behind_the_others(how: Evaluate) -> None:
    truth = np.arange(NOTES) % 3
    said = np.where(np.arange(NOTES) < 24, (truth + np.arange(NOTES) // 12) % 3, truth)  # of the second site all are wrong
    sites = ["good", "bad", "good", "fine", "fine"]
    test = notes(label_id=truth, site=[sites[row // 12] for row in range(NOTES)])
    test = test.with_columns(made(np.eye(3)[said] * 0.8 + 0.1))
    few, _ = robustness(test, {}, {}, how)
    assert "another_site" in few and few["another_site"]["drop"] < 0.7, "bad has six patients, and is not shown"
    test = test.with_columns(site=pl.Series(["bad" if 12 <= row < 36 else "good" for row in range(NOTES)]))
    found = robustness(test, {}, {}, how)[0]["another_site"]
    rows = np.arange(12, 36)
    rest = np.setdiff1d(np.arange(NOTES), rows)
    own, others = (f1_score(truth[some], said[some], average="macro") for some in (rows, rest))
    assert (found["macro_f1"], found["drop"]) == (pytest.approx(own), pytest.approx(others - own))
    assert found["drop_low"] <= found["drop"] <= found["drop_high"]
    assert "another_site" not in robustness(test.with_columns(site=pl.lit("one")), {}, {}, how)[0]


def test_a_test_split_of_few_patients_shows_nothing(how: Evaluate) -> None:
    test = notes(label_id=[0] * NOTES).with_columns(made(np.ones((NOTES, 1))))[:18]
    figures, table = robustness(test, {"all": test}, {}, how)
    assert figures == {"patients_below_10": 1} and table.is_empty()
