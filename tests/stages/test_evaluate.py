"""What the evaluate stage makes of probabilities: a pure function on tiny made-up corpora, so no model is needed here."""

import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dxtune import records
from dxtune.errors import DataError, LeakageError, ModelError
from dxtune.evaluation.assessment import measured
from dxtune.evaluation.checks import as_predictions, check_labels, check_leakage, join_predictions
from dxtune.params import Params, load_params

LABELS = ["<script>alert(1)</script>", "asthma", 'migraine, with "aura"']
COLUMNS = records.predictions("classification")
WORDS = ["rash itching skin", "wheeze breath cough", "headache light nausea"]


@pytest.fixture
def params() -> Params:
    settings = load_params(Path(__file__).parents[2] / "params.yaml")
    collect = settings.collect.model_copy(update={"subgroup_columns": ("sex", "site")})
    return settings.model_copy(
        update={"collect": collect, "evaluate": settings.evaluate.model_copy(update={"bootstrap_resamples": 200})}
    )


def corpus(split: str, notes: int, posterior: bool = True) -> pl.DataFrame:
    """Made-up notes: two a patient, three labels in turn, one small site, one absent value."""
    rows = []
    for number in range(notes):
        label = number % 3
        rows.append(
            {
                "note_id": f"{split}-{number:03d}",
                "patient_id": f"{split}-p{number // 2}",
                "note_year": "2020",
                "text": f"{WORDS[label if number % 7 else 0]} number {number}",
                "label": LABELS[label],
                "label_id": label,
                "sex": None if number < 24 else "FM"[number % 2],
                "site": "small" if number < 8 else "large",
                "posterior": [0.8 if index == label else 0.1 for index in range(3)],
            }
        )
    frame = pl.DataFrame(rows, schema_overrides={"sex": pl.String})
    return frame if posterior else frame.drop("posterior")


def probabilities(notes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(3), notes) * 0.5 + 0.5 * np.eye(3)[np.arange(notes) % 3]


def made_of(notes: pl.DataFrame, values: np.ndarray) -> pl.DataFrame:
    column = pl.Series("probabilities", values.tolist(), dtype=pl.List(pl.Float64))
    return pl.DataFrame([notes["note_id"], column])


@pytest.fixture
def notes() -> dict[str, pl.DataFrame]:
    return {"train": corpus("train", 60), "validation": corpus("validation", 30), "test": corpus("test", 90)}


@pytest.fixture
def predictions(notes: dict[str, pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(
        [
            as_predictions(notes[split], split, made_of(notes[split], probabilities(notes[split].height)), COLUMNS)
            for split in ("validation", "test")
        ]
    )


def test_figures(notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, params: Params) -> None:
    figures, tables = measured(notes, predictions, LABELS, 1.0, params)
    test, baseline = figures["test"], figures["baseline"]
    for name in ("accuracy", "macro_f1", "micro_f1", "macro_auroc", "macro_auprc", "brier"):
        assert test[f"{name}_low"] <= test[name] <= test[f"{name}_high"], name
    assert {"ece", "ece_low", "ece_high"} <= set(test)
    assert (test["notes"], test["patients"], test["resamples"]) == (90, 45, 200)
    assert set(test["per_class"]) == set(LABELS)
    assert test["per_class"]["asthma"]["notes"] == 30
    assert set(test["per_class"]["asthma"]) == {"precision", "recall", "f1", "f1_low", "f1_high", "notes"}
    assert baseline["difference_accuracy"] == pytest.approx(test["accuracy"] - baseline["tfidf_accuracy"], abs=2e-6)
    assert baseline["difference_accuracy_low"] <= baseline["difference_accuracy"] <= baseline["difference_accuracy_high"]
    assert baseline["majority_accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert baseline["majority_macro_f1"] == pytest.approx((2 * 30 / 120) / 3, abs=1e-6)
    assert figures["ceiling"]["accuracy"] == figures["ceiling"]["macro_f1"] == 1
    assert figures["ceiling"]["expected_accuracy"] == 0.8
    assert figures["ceiling"]["share_of_ceiling"] == test["accuracy"]
    assert figures["validation"]["notes"] == 30
    assert set(tables) == {"roc", "precision_recall", "calibration", "confusion", "classes", "subgroups"}
    assert set(tables["classes"]["label"]) == set(LABELS) and tables["classes"]["patients"].min() >= 10
    before, after = figures["calibration"]["before"], figures["calibration"]["after"]
    assert before == after and after["ece"] == test["ece"], "a temperature of 1 changes nothing"
    alike = test["patients_alike"]
    assert alike["accuracy"] == test["accuracy"], "two notes a patient"
    assert alike["accuracy_low"] <= alike["accuracy"] <= alike["accuracy_high"]
    assert tables["confusion"].height == 90


def test_subgroups_under_ten_patients_show_nothing(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, params: Params
) -> None:
    subgroups = measured(notes, predictions, LABELS, 1.0, params)[0]["test"]["subgroups"]
    assert subgroups["site"]["small"] == {"patients_below_10": 1}
    assert subgroups["site"]["large"]["patients"] == 41
    assert set(subgroups["sex"]) == {"F", "M", "not recorded"}
    assert subgroups["sex"]["F"]["accuracy_low"] <= subgroups["sex"]["F"]["accuracy"] <= subgroups["sex"]["F"]["accuracy_high"]
    assert "accuracy_gap" not in subgroups["site"]["large"], "the rest is too small"


def test_a_gap_is_that_to_all_other_notes_and_the_worst_one_is_named(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, params: Params
) -> None:
    figures, tables = measured(notes, predictions, LABELS, 1.0, params)
    groups = figures["test"]["subgroups"]["sex"]
    made = notes["test"].sort("note_id").with_columns(predictions.filter(split="test").sort("note_id")["probabilities"])
    right = (made["probabilities"].list.arg_max() == made["label_id"]).to_numpy()
    women = (made["sex"] == "F").fill_null(False).to_numpy()
    assert groups["F"]["accuracy_gap"] == pytest.approx(right[women].mean() - right[~women].mean(), abs=1e-6)
    assert groups["F"]["accuracy_gap_low"] <= groups["F"]["accuracy_gap"] <= groups["F"]["accuracy_gap_high"]
    shares = [np.array([right[rows & (made["label_id"].to_numpy() == k)].mean() for k in range(3)]) for rows in (women, ~women)]
    assert groups["F"]["equal_opportunity_gap"] == pytest.approx((shares[0] - shares[1]).mean(), abs=1e-6)
    assert figures["test"]["subgroup_gap"] == -min(group["accuracy_gap"] for group in groups.values())
    brier = tables["subgroups"].filter(value="F", metric="brier").row(0, named=True)
    assert brier["low"] <= brier["figure"] <= brier["high"] and brier["gap_low"] <= brier["gap"] <= brier["gap_high"]


def test_two_runs_and_any_order_of_rows_give_the_same_bytes(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, params: Params
) -> None:
    first, first_tables = measured(notes, predictions, LABELS, 1.0, params)
    shuffled = {split: frame.sample(fraction=1, shuffle=True, seed=3) for split, frame in notes.items()}
    second, second_tables = measured(shuffled, predictions.sample(fraction=1, shuffle=True, seed=4), LABELS, 1.0, params)
    assert json.dumps(first, sort_keys=True, allow_nan=False) == json.dumps(second, sort_keys=True, allow_nan=False)
    assert {name: table.write_csv() for name, table in first_tables.items()} == {
        name: table.write_csv() for name, table in second_tables.items()
    }


def test_no_ceiling_without_posterior_and_no_nan_without_a_class(predictions: pl.DataFrame, params: Params) -> None:
    names = [*LABELS, "never seen"]
    notes = {split: corpus(split, size, posterior=False) for split, size in (("train", 60), ("validation", 30), ("test", 90))}
    wider = predictions.with_columns(pl.col("probabilities").list.concat(pl.lit([0.0])))
    figures = measured(notes, wider, names, 1.0, params)[0]
    assert "ceiling" not in figures
    assert figures["test"]["per_class"]["never seen"] == {"patients_below_10": 1}
    assert figures["test"]["resamples_without_a_class"] == 0, "it was not there to vanish"
    json.dumps(figures, allow_nan=False)


def test_predictions_must_cover_exactly_the_notes(notes: dict[str, pl.DataFrame], predictions: pl.DataFrame) -> None:
    test = notes["test"]
    with pytest.raises(DataError, match="1 notes without one, 0 of no known note"):
        join_predictions(test, predictions.filter(pl.col("note_id") != "test-004"), "test")
    with pytest.raises(DataError, match="0 notes without one, 1 of no known note"):
        join_predictions(test.filter(pl.col("note_id") != "test-004"), predictions, "test")
    with pytest.raises(DataError, match="found 180"):
        join_predictions(test, pl.concat([predictions.filter(split="test")] * 2), "test")
    with pytest.raises(DataError, match=r"test-000.*another label_id"):
        join_predictions(test.with_columns((pl.col("label_id") + 1) % 3), predictions, "test")


def test_a_patient_or_note_on_both_sides_is_an_error(notes: dict[str, pl.DataFrame]) -> None:
    check_leakage(notes)
    train = notes["train"]
    with pytest.raises(LeakageError, match="1 patient_ids of the test split are also in train, the first is test-p3"):
        check_leakage(notes | {"train": train.with_columns(pl.lit("test-p3").alias("patient_id"))})
    with pytest.raises(LeakageError, match="1 note_ids of the test split are also in validation"):
        check_leakage(notes | {"validation": notes["validation"].with_columns(pl.lit("test-003").alias("note_id"))})


def test_every_note_has_one_prediction_of_finite_numbers(notes: dict[str, pl.DataFrame]) -> None:
    good = probabilities(90)
    for change in (np.nan, np.inf):
        bad = good.copy()
        bad[random.Random(0).randrange(90), 1] += change
        with pytest.raises(ModelError, match=r"1 notes, the first is test-\d+, have no finite probabilities"):
            as_predictions(notes["test"], "test", made_of(notes["test"], bad), COLUMNS)
    with pytest.raises(ModelError, match="each of 90 notes, found 89"):
        as_predictions(notes["test"], "test", made_of(notes["test"][1:], good[1:]), COLUMNS)


def test_labels_must_be_those_of_the_notes(notes: dict[str, pl.DataFrame]) -> None:
    check_labels(notes["test"], LABELS)
    with pytest.raises(ModelError, match="in another order"):
        check_labels(notes["test"], LABELS[::-1])
    with pytest.raises(ModelError):
        check_labels(notes["test"], LABELS[:2])


def test_a_missing_subgroup_column_is_an_error(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, params: Params
) -> None:
    with pytest.raises(DataError, match="site"):
        measured(notes | {"test": notes["test"].drop("site")}, predictions, LABELS, 1.0, params)
