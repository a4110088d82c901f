"""evaluation/multilabel*.py: each metric by hand and against scikit-learn, thresholds, and the bootstrap's weighted twins."""

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from dxtune.evaluation import multilabel, multilabel_assessment
from dxtune.params import Params

TRUTH = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]])
PROBABILITIES = np.array([[0.9, 0.2, 0.4], [0.6, 0.1, 0.8], [0.7, 0.3, 0.5], [0.1, 0.4, 0.2]])
HALF = np.full(3, 0.5)


def test_metrics_worked_out_by_hand() -> None:
    found = multilabel.headline(TRUTH, PROBABILITIES, HALF)
    # said: {0}, {0, 2}, {0, 2}, {}: 3 right of 5 said and 5 true
    assert found["micro_f1"] == pytest.approx(2 * 3 / (5 + 5))
    # label 0: 2 right, 3 said, 2 true; label 1: 0, 0, 1; label 2: 1, 2, 2
    assert found["macro_f1"] == pytest.approx((4 / 5 + 0 + 2 / 4) / 3)
    assert found["exact_match"] == 1 / 4
    # positives .9 .4 .8 .7 .3 against negatives .2 .6 .1 .5 .1 .4 .2: 7, 4.5, 7, 7 and 4 of 7 pairs won
    assert found["micro_auroc"] == pytest.approx((7 + 4.5 + 7 + 7 + 4) / 35)
    precision, recall, f1, notes = multilabel.per_label(TRUTH, PROBABILITIES >= HALF)
    assert (precision[0], recall[0], f1[0], notes.tolist()) == (pytest.approx(2 / 3), 1, pytest.approx(0.8), [2, 1, 2])


def test_metrics_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random((60, 5)) < [0.5, 0.3, 0.2, 0.1, 0.4]).astype(int)
    probabilities = np.clip(0.5 * truth + rng.random((60, 5)) * 0.7, 0, 1).round(2)
    thresholds = rng.random(5)
    found, guess = multilabel.headline(truth, probabilities, thresholds), probabilities >= thresholds
    assert found["micro_f1"] == pytest.approx(f1_score(truth, guess, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))
    for average in ("micro", "macro"):
        assert found[f"{average}_auroc"] == pytest.approx(roc_auc_score(truth, probabilities, average=average))
    assert found["macro_auprc"] == pytest.approx(average_precision_score(truth, probabilities, average="macro"))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=30))
def test_no_other_threshold_has_a_better_f1(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([[int(has)] for has, _ in rows]), np.array([[score / 20] for _, score in rows])
    (threshold,) = multilabel.fit_thresholds(truth, scores)
    every = np.array([threshold, *np.linspace(-0.025, 1.025, 43)])
    guess = scores >= every
    own, *tried = 2 * (guess & (truth == 1)).sum(axis=0) / np.maximum(guess.sum(axis=0) + truth.sum(), 1)
    if truth.any():
        assert own == pytest.approx(max(tried))
    else:
        assert threshold == 0.5


def test_what_is_undefined_is_nan_and_no_note_no_value() -> None:
    none = np.zeros((3, 2), dtype=int)
    found = multilabel.headline(none, np.full((3, 2), 0.2), HALF[:2])
    assert np.isnan([found[name] for name in ("micro_f1", "macro_f1", "micro_auroc", "macro_auroc", "macro_auprc")]).all()
    assert found["exact_match"] == 1
    assert all(np.isnan(value) for value in multilabel.headline(none[:0], np.zeros((0, 2)), HALF[:2]).values())


def test_weights_are_repeated_rows() -> None:
    rng = np.random.default_rng(5)
    truth = (rng.random((30, 4)) < 0.3).astype(int)
    probabilities = np.clip(0.4 * truth + 0.8 * rng.random((30, 4)), 0, 1).round(1)  # with ties
    thresholds = np.array([0.4, 0.5, 0.6, 0.3])
    weights = rng.integers(0, 4, (6, 30))
    for name, statistic in multilabel_assessment.headline(truth, probabilities, thresholds).items():
        values = statistic(weights.astype(float))
        for row, value in zip(weights, values, strict=True):
            repeated, own = np.repeat(truth, row, axis=0), np.repeat(probabilities, row, axis=0)
            if name == "class_f1":
                expected = multilabel.per_label(repeated, own >= thresholds)[2]
            else:
                expected = multilabel.headline(repeated, own, thresholds)[name]
            np.testing.assert_allclose(value, expected, err_msg=name)


def corpus(split: str, notes: int) -> pl.DataFrame:
    """Made-up notes, two a patient, with none, one or two of three labels."""
    words = ("wheeze", "rash", "nausea")
    ids = [[label for label in range(3) if (number >> label) & 1 and label < 2] for number in range(notes)]
    return pl.DataFrame(
        {
            "note_id": [f"{split}-{number:03d}" for number in range(notes)],
            "patient_id": [f"{split}-p{number // 2}" for number in range(notes)],
            "text": [" ".join(words[label] for label in row) + f" seen {number}" for number, row in enumerate(ids)],
            "labels": [["abc"[label] for label in row] for row in ids],
            "label_ids": ids,
            "sex": ["FM"[number % 2] for number in range(notes)],
        },
        schema_overrides={"label_ids": pl.List(pl.Int64), "labels": pl.List(pl.String)},
    )


def test_figures_have_intervals_and_stand_beside_a_linear_model(params_with: Callable[..., Params]) -> None:
    params = params_with(collect={"subgroup_columns": ["sex"]}, evaluate={"bootstrap_resamples": 100})
    notes = {split: corpus(split, size) for split, size in (("train", 40), ("validation", 24), ("test", 60))}
    rng, parts = np.random.default_rng(1), []
    for split in ("validation", "test"):
        values = 0.5 * multilabel.multi_hot(notes[split]["label_ids"], 3) + 0.5 * rng.random((notes[split].height, 3))
        made = pl.Series("probabilities", values.tolist(), dtype=pl.List(pl.Float64))
        ids = notes[split].select("note_id", "patient_id", "label_ids", pl.lit(split).alias("split"))
        parts.append(ids.with_columns(made))
    thresholds = np.array([0.5, 0.5, 0.9])
    figures, tables = multilabel_assessment.measure(notes, pl.concat(parts), ["a", "b", "c"], thresholds, params)
    test, baseline = figures["test"], figures["baseline"]
    for name in ("micro_f1", "macro_f1", "micro_auroc", "macro_auroc", "macro_auprc", "exact_match"):
        assert test[f"{name}_low"] <= test[name] <= test[f"{name}_high"], name
    assert (test["notes"], test["patients"], figures["validation"]["notes"]) == (60, 30, 24)
    assert test["per_class"]["a"]["threshold"] == 0.5 and test["per_class"]["c"]["notes"] == 0
    assert set(test["subgroups"]["sex"]) == {"F", "M"}
    assert baseline["tfidf_micro_f1"] == 1, "the word is the label"
    assert baseline["difference_micro_f1"] == pytest.approx(test["micro_f1"] - 1, abs=2e-6)
    assert baseline["majority_micro_f1"] == pytest.approx(2 * 30 / (60 + 60))
    assert tables["roc"].height > 2 and tables["confusion"].height == tables["calibration"].height == 0
    json.dumps(figures, allow_nan=False)
