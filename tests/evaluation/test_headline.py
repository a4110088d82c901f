"""Each headline figure by hand, against scikit-learn, and under weights as on repeated rows."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from dxtune.evaluation import curves
from dxtune.evaluation.clinical_metric import ClinicalMetric
from dxtune.evaluation.headline import Sample, measure, points, several, single
from dxtune.evaluation.metrics import accuracy, macro_f1

# Four notes, three classes: predictions 0, 1, 1, 2 for the labels 0, 1, 0, 2.
LABELS = np.array([0, 1, 0, 2])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]])
# Four notes, three labels that any number of them can have; at one half they get {0}, {0, 2}, {0, 2}, {}.
TRUTH = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]])
SAID = np.array([[0.9, 0.2, 0.4], [0.6, 0.1, 0.8], [0.7, 0.3, 0.5], [0.1, 0.4, 0.2]])
# AUROC and AUPRC of one class: scores .1 .4 .35 .8 of labels 0 0 1 1.
SCORE, HAS = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])


def sample(seed: int, notes: int = 60, classes: int = 4, ties: bool = False, one: bool = True) -> Sample:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), notes)
    if ties:
        probabilities = np.round(probabilities * 4) + 0.5
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    if one:
        return single(random.integers(classes, size=notes), probabilities)
    return several(random.random((notes, classes)) < 0.3, probabilities, np.full(classes, 0.3))


def test_rates_by_hand() -> None:
    found = points(single(LABELS, PROBABILITIES), 2)
    assert found["accuracy"] == found["micro_f1"] == 0.75
    # class 0: 1 of 2 found, 1 said, 2 of 2 others rejected; class 1: 1 of 1, 2 said, 2 of 3 rejected; class 2: all right
    assert found["macro_sensitivity"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found["macro_specificity"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert found["macro_ppv"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert found["macro_npv"] == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found["macro_balanced_accuracy"] == pytest.approx((3 / 4 + 5 / 6 + 1) / 3)
    assert found["brier"] == pytest.approx((0.14 + 0.06 + 0.86 + 0.24) / 4)
    assert found["overconfidence"] == pytest.approx((0.7 + 0.8 + 0.6 + 0.6) / 4 - 0.75)


def test_calibration_error_by_hand() -> None:
    # Confidences .6 (wrong), .6 (right), .7, .8 (right): bins of two notes: |.6 - .5| and |.75 - 1|.
    assert points(single(LABELS, PROBABILITIES), 2)["ece"] == pytest.approx((0.1 + 0.25) / 2)
    # Three bins over four notes: the second holds 2/3 of a tied .6 (half right) and 2/3 of the .7.
    third = (0.1 + abs(0.65 - 0.75) + abs((0.7 / 3 + 0.8) / (4 / 3) - 1)) / 3
    assert points(single(LABELS, PROBABILITIES), 3)["ece"] == pytest.approx(third)


def test_areas_by_hand() -> None:
    found = points(single(HAS, np.stack([1 - SCORE, SCORE], axis=1)), 2)
    assert found["macro_auroc"] == pytest.approx(3 / 4), "3 of 4 pairs are in order"
    assert found["macro_auprc"] == pytest.approx((1 + 2 / 3) / 2), "hit (1/1), miss, hit (2/3); the other class mirrors it"


def test_several_labels_by_hand() -> None:
    found = points(several(TRUTH, SAID, np.full(3, 0.5)), 2)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (5 + 5)), "3 right of 5 said and 5 true"
    assert found["macro_f1"] == pytest.approx((4 / 5 + 0 + 2 / 4) / 3)
    assert found["exact_match"] == 1 / 4
    # positives .9 .4 .8 .7 .3 against negatives .2 .6 .1 .5 .1 .4 .2: 7, 4.5, 7, 7 and 4 of 7 pairs won
    assert found["micro_auroc"] == pytest.approx((7 + 4.5 + 7 + 7 + 4) / 35)
    assert found["precision_at_1"] == 3 / 4, "the likeliest label of each note: 0, 2, 0, and 1, which it has not"
    assert found["precision_at_3"] == pytest.approx((2 + 1 + 2 + 0) / 12)
    assert "precision_at_5" not in found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5), ties=st.booleans(), one=st.booleans())
def test_figures_are_those_of_scikit_learn(seed: int, classes: int, ties: bool, one: bool) -> None:
    made = sample(seed, classes=classes, ties=ties, one=one)
    found, truth, guess = points(made, 5), made.truth.astype(int), made.guess.astype(int)
    each = [{"has": truth[:, k], "said": guess[:, k], "score": made.probabilities[:, k]} for k in range(classes)]
    some = [one for one in each if 0 < one["has"].sum() < len(truth) and 0 < one["said"].sum() < len(truth)]
    if len(some) == classes:
        expected = {
            "sensitivity": [oracle.recall_score(k["has"], k["said"]) for k in some],
            "specificity": [oracle.recall_score(k["has"], k["said"], pos_label=0) for k in some],
            "ppv": [oracle.precision_score(k["has"], k["said"]) for k in some],
            "npv": [oracle.precision_score(k["has"], k["said"], pos_label=0) for k in some],
            "f1": [oracle.f1_score(k["has"], k["said"]) for k in some],
            "balanced_accuracy": [oracle.balanced_accuracy_score(k["has"], k["said"]) for k in some],
            "mcc": [oracle.matthews_corrcoef(k["has"], k["said"]) for k in some],
            "auroc": [oracle.roc_auc_score(k["has"], k["score"]) for k in some],
            "auprc": [oracle.average_precision_score(k["has"], k["score"]) for k in some],
        }
        for name, values in expected.items():
            assert found[f"macro_{name}"] == pytest.approx(np.mean(values)), name
    if one:
        labels, said = truth.argmax(axis=1), guess.argmax(axis=1)
        assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, said))
        assert found["mcc"] == pytest.approx(oracle.matthews_corrcoef(labels, said))
        brier = oracle.brier_score_loss(labels, made.probabilities, labels=range(classes), scale_by_half=False)
        assert found["brier"] == pytest.approx(brier)
        assert accuracy(labels, made.probabilities) == pytest.approx(found["accuracy"])
        assert macro_f1(labels, made.probabilities) == pytest.approx(found["macro_f1"])
    else:
        assert found["micro_f1"] == pytest.approx(oracle.f1_score(truth, guess, average="micro"))
        assert found["micro_auroc"] == pytest.approx(oracle.roc_auc_score(truth, made.probabilities, average="micro"))
        assert found["micro_auprc"] == pytest.approx(oracle.average_precision_score(truth, made.probabilities, average="micro"))
        assert found["exact_match"] == pytest.approx(oracle.accuracy_score(truth, guess))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), notes=st.integers(2, 50), ties=st.booleans(), one=st.booleans())
def test_weights_are_repeated_rows(seed: int, notes: int, ties: bool, one: bool) -> None:
    made = sample(seed, notes, 3, ties, one)
    counts = np.random.default_rng(seed + 1).integers(4, size=notes)
    counts[0] += 1  # at least one row
    rows = np.repeat(np.arange(notes), counts)
    found = measure(made, 4)(np.stack([np.ones(notes), counts, np.zeros(notes)]))
    repeated = measure(made.rows(rows), 4)(np.ones((1, len(rows))))
    for name, values in found.items():
        if not name.startswith("calibration"):  # one step of Newton: in test_calibration.py
            np.testing.assert_allclose(values[1], repeated[name][0], atol=1e-12, err_msg=name)
        assert name == "class_notes" or np.isnan(values[2]).all(), f"{name} of no notes"


def test_order_of_rows_does_not_matter_and_equal_confidences_share_a_bin() -> None:
    made = sample(3, ties=True)
    shuffle = np.random.default_rng(0).permutation(len(made.truth))
    assert points(made.rows(shuffle), 7) == pytest.approx(points(made, 7), abs=1e-12)


def test_an_absent_class_is_left_out_and_what_is_undefined_is_nan() -> None:
    found = points(single(LABELS, PROBABILITIES), 2)
    wider = points(single(LABELS, np.hstack([PROBABILITIES, np.zeros((4, 1))])), 2)
    for name in ("accuracy", "macro_f1", "macro_auroc", "macro_auprc", "macro_sensitivity", "brier", "ece", "mcc"):
        assert wider[name] == pytest.approx(found[name]), name
    assert math.isnan(points(single(np.zeros(4, dtype=int), PROBABILITIES), 2)["macro_auroc"])
    assert all(math.isnan(value) for value in points(single(np.empty(0, dtype=int), np.empty((0, 3))), 2).values())
    none = points(several(np.zeros((3, 2)), np.full((3, 2), 0.2), np.full(2, 0.5)), 2)
    assert math.isnan(none["macro_f1"]) and math.isnan(none["micro_auroc"]) and none["exact_match"] == 1


def test_the_metric_for_evaluate_has_the_same_figures_of_every_task() -> None:
    def metric(task: str) -> ClinicalMetric:
        return ClinicalMetric(task, keep_in_memory=True)

    found = metric("classification").compute(references=LABELS, predictions=PROBABILITIES, bins=2)
    assert found == pytest.approx(points(single(LABELS, PROBABILITIES), 2), nan_ok=True)
    thresholds = np.full(3, 0.5)
    found = metric("multilabel").compute(references=TRUTH, predictions=SAID, bins=2, thresholds=thresholds)
    assert found == pytest.approx(points(several(TRUTH, SAID, thresholds), 2), nan_ok=True)
    assert found["micro_f1"] == oracle.f1_score(TRUTH, SAID >= 0.5, average="micro")
    said, true = ["The left lung.", "", "a cough"], ["left lung", "", "fever"]
    found = metric("question-answering").compute(references=true, predictions=said)
    assert found == {"exact_match": 2 / 3, "token_f1": 2 / 3}
    found = metric("generation").compute(references=["the cat ran", "yes"], predictions=["the cat sat", "no"])
    assert found == {"rouge_1": 1 / 3, "rouge_2": 1 / 4, "rouge_l": 1 / 3, "exact": 0}


def test_curves_of_a_perfect_and_of_a_constant_model() -> None:
    truth = np.array([0, 1, 2, 0, 1, 2])
    perfect, constant = np.eye(3)[truth], np.full((6, 3), 1 / 3)
    roc = curves.roc(truth, perfect)
    assert roc.row(0) == (0, 0)
    assert roc["true_positive_rate"][1:].to_list() == [1] * 101
    flat = curves.roc(truth, constant)
    np.testing.assert_allclose(flat["true_positive_rate"], flat["false_positive_rate"], atol=1e-6)
    assert curves.precision_recall(truth, perfect)["precision"].to_list() == [1] * 101
    assert set(curves.precision_recall(truth, constant)["precision"][1:]) == {0.333333}


def test_the_area_under_the_roc_table_is_the_auroc() -> None:
    made = sample(5, notes=800)
    table = curves.roc(made.truth, made.probabilities)
    area = np.trapezoid(table["true_positive_rate"], table["false_positive_rate"])
    assert area == pytest.approx(points(made, 5)["macro_auroc"], abs=0.005)


def test_calibration_and_confusion_tables() -> None:
    table = curves.calibration(LABELS, PROBABILITIES, bins=2)
    assert table.rows() == [(0.6, 0.5, 2.0), (0.75, 1.0, 2.0)]
    frame = pl.DataFrame({"patient_id": ["p", "q", "r", "s"], "label_id": LABELS})
    rows = curves.confusion(frame, PROBABILITIES, ["a", "b", "c"], smallest=0).rows()
    assert rows == [("a", "a"), ("a", "b"), ("b", "b"), ("c", "c")]


def test_pairs_of_labels_of_few_patients_are_left_out_of_the_confusion() -> None:
    frame = pl.DataFrame({"patient_id": ["p", "p", "q", "r", "r"], "label_id": [0, 0, 0, 1, 1]})
    shown = curves.confusion(frame, np.eye(2)[[0, 0, 0, 1, 1]], ["b", "a"], smallest=2)
    assert shown.rows() == [("b", "b")] * 3, "two notes of one patient are one patient"
