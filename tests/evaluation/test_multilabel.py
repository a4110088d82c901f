"""evaluation/multilabel*.py: thresholds, and all figures of a made-up corpus. The figures one by one: test_headline.py."""

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.evaluation import multilabel, multilabel_assessment
from dxtune.params import Params


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


def drawn(notes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Eight labels that one note in fifteen has, and calibrated probabilities that tell them alike."""
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.25, 3.5, size=(notes, 8))
    return (rng.random((notes, 8)) < probabilities).astype(int), probabilities


def test_a_label_of_few_notes_borrows_from_the_others() -> None:
    fresh, scores = drawn(20_000, 0)
    together, alone = [], []
    for seed in range(1, 21):
        truth, probabilities = drawn(120, seed)
        together.append(multilabel.micro_f1(fresh, scores >= multilabel.fit_thresholds(truth, probabilities)))
        columns = [multilabel.fit_thresholds(truth[:, [each]], probabilities[:, [each]])[0] for each in range(8)]
        alone.append(multilabel.micro_f1(fresh, scores >= columns))
    assert np.mean(together) > np.mean(alone) + 0.01
    assert np.mean(np.array(together) > alone) > 0.8


def test_a_label_of_many_notes_has_its_own_threshold() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((20_000, 2))
    truth = (probabilities >= [0.3, 0.8]).astype(int)
    np.testing.assert_allclose(multilabel.fit_thresholds(truth, probabilities), [0.3, 0.8], atol=0.001)


def test_thresholds_by_hand() -> None:
    truth, probabilities = np.array([[1, 1], [0, 1], [1, 0]]), np.array([[0.75, 0.5], [0.25, 0.625], [0.375, 0.125]])
    # 4 positives, so all decisions weigh 12.5 times: from 0.375 on, 4 of 4 hits in all and in each label, and none false
    assert multilabel.fit_thresholds(truth, probabilities).tolist() == [0.3125, 0.3125]
    truth, probabilities = np.array([[1, 1], [1, 0], [0, 0]]), np.array([[0.75, 0.875], [0.625, 0.0625], [0.25, 0.03125]])
    # from 0.625 on there is no mistake anywhere, so the second label's threshold is below its own two notes' middle, 0.46875
    assert multilabel.fit_thresholds(truth, probabilities).tolist() == [0.4375, 0.4375]
    assert multilabel.fit_thresholds(truth[:, [1]], probabilities[:, [1]]).tolist() == [0.46875]


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
        parts.append(ids.with_columns(made, pl.lit(0.0).alias("unlike")))
    thresholds = np.array([0.5, 0.5, 0.9])
    others = {"centroid": multilabel.multi_hot([[0]] * 60, 3)}
    figures, tables = multilabel_assessment.measured(notes, pl.concat(parts), ["a", "b", "c"], 2.0, thresholds, others, params)
    test, baseline = figures["test"], figures["baseline"]
    for name in ("micro_f1", "macro_f1", "micro_auroc", "macro_auroc", "macro_auprc", "exact_match"):
        assert test[f"{name}_low"] <= test[name] <= test[f"{name}_high"], name
    assert (test["notes"], test["patients"], figures["validation"]["notes"]) == (60, 30, 24)
    assert test["per_class"]["a"]["threshold"] == 0.5
    assert test["per_class"]["c"] == {"patients_below_10": 1, "threshold": 0.9}
    assert figures["calibration"]["temperature"] == 2 and set(tables["classes"]["label"]) == {"a", "b"}
    assert {"brier", "ece", "precision_at_1", "macro_mcc", "micro_auprc"} < set(test)
    assert set(tables["subgroups"]["value"]) == {"F", "M"}
    gaps = tables["subgroups"].drop_nulls()
    assert {"micro_f1", "brier", "equal_opportunity"} < set(tables["subgroups"]["metric"]) and gaps.height
    assert (gaps["gap_low"] <= gaps["gap"]).all() and (gaps["gap"] <= gaps["gap_high"]).all()
    assert set(test["subgroups"]["sex"]) == {"F", "M"}
    assert baseline["tfidf_micro_f1"] == 1, "the word is the label"
    assert baseline["difference_micro_f1"] == pytest.approx(test["micro_f1"] - 1, abs=2e-6)
    assert baseline["majority_micro_f1"] == pytest.approx(2 * 30 / (60 + 60))
    assert baseline["centroid_micro_f1"] == baseline["majority_micro_f1"]
    assert baseline["difference_centroid_micro_f1"] == pytest.approx(test["micro_f1"] - 0.5, abs=2e-6)
    decision = figures["decision"]
    assert 0 <= decision["answered_share_low"] <= decision["answered_share"] and decision["answer_risk"] >= 0
    assert tables["risk_coverage"].height == 100 and "answered_share" in set(tables["subgroups"]["metric"])
    assert tables["roc"].height > 2 and tables["confusion"].height == tables["calibration"].height == 0
    json.dumps(figures, allow_nan=False)
