"""Each metric against a hand-computed case; the weighted forms against scikit-learn on repeated rows."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score, roc_auc_score

from dxtune.evaluation import curves, metrics, weighted

# Four notes, three classes: predictions 0, 1, 1, 2 for the labels 0, 1, 0, 2.
LABELS = np.array([0, 1, 0, 2])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]])
NAMES = ("accuracy", "macro_f1", "macro_auroc", "macro_auprc", "brier", "ece")


def sample(seed: int, notes: int = 60, classes: int = 4, ties: bool = False) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), notes)
    if ties:
        probabilities = np.round(probabilities * 4) + 0.5
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return random.integers(classes, size=notes), probabilities


def test_accuracy_and_f1_by_hand() -> None:
    # F1: class 0: 2*1/(2+1) = 2/3; class 1: 2*1/(1+2) = 2/3; class 2: 1.
    assert metrics.accuracy(LABELS, PROBABILITIES) == metrics.micro_f1(LABELS, PROBABILITIES) == 0.75
    assert metrics.macro_f1(LABELS, PROBABILITIES) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_per_class_by_hand() -> None:
    precision, recall, f1, notes = metrics.per_class(LABELS, PROBABILITIES)
    assert precision.tolist() == [1, 0.5, 1]
    assert recall.tolist() == [0.5, 1, 1]
    assert f1.tolist() == pytest.approx([2 / 3, 2 / 3, 1])
    assert notes.tolist() == [2, 1, 1]


def test_auroc_by_hand() -> None:
    # Class 0: positives .7 .3 against .1 .2: all 4 pairs right. Class 1: .8 against all: 1. Class 2: 1.
    assert metrics.macro_auroc(LABELS, PROBABILITIES) == 1.0
    # One class: scores .1 .4 .35 .8 of labels 0 0 1 1: 3 of 4 pairs right; two classes mirror each other.
    score = np.array([0.1, 0.4, 0.35, 0.8])
    truth = np.array([0, 0, 1, 1])
    assert metrics.macro_auroc(truth, np.stack([1 - score, score], axis=1)) == pytest.approx(0.75)


def test_auprc_by_hand() -> None:
    # Class 1, descending: hit (1/1), miss, hit (2/3), miss: (1 + 2/3) / 2. Class 0, descending: the mirror: the same.
    score = np.array([0.1, 0.4, 0.35, 0.8])
    truth = np.array([0, 0, 1, 1])
    assert metrics.macro_auprc(truth, np.stack([1 - score, score], axis=1)) == pytest.approx((1 + 2 / 3) / 2)


def test_brier_by_hand() -> None:
    terms = [0.09 + 0.04 + 0.01, 0.01 + 0.04 + 0.01, 0.49 + 0.36 + 0.01, 0.04 + 0.04 + 0.16]
    assert metrics.brier(LABELS, PROBABILITIES) == pytest.approx(np.mean(terms))


def test_ece_by_hand() -> None:
    # Confidences .6 (wrong), .6 (right), .7, .8 (right): bins of two notes: |.6 - .5| and |.75 - 1|.
    assert metrics.ece(LABELS, PROBABILITIES, bins=2) == pytest.approx((0.1 + 0.25) / 2)
    # Three bins over four notes: the second holds 2/3 of a tied .6 (half right) and 2/3 of the .7.
    assert metrics.ece(LABELS, PROBABILITIES, bins=3) == pytest.approx(
        (0.1 + abs(0.65 - 0.75) + abs((0.7 / 3 + 0.8) / (4 / 3) - 1)) / 3
    )


def test_ece_does_not_depend_on_the_order_of_equal_confidences() -> None:
    labels, probabilities = sample(3, ties=True)
    shuffle = np.random.default_rng(0).permutation(len(labels))
    assert metrics.ece(labels[shuffle], probabilities[shuffle], 7) == pytest.approx(
        metrics.ece(labels, probabilities, 7), abs=1e-12
    )


def test_an_absent_class_is_left_out() -> None:
    wider = np.hstack([PROBABILITIES, np.zeros((4, 1))])
    for name in NAMES:
        assert getattr(metrics, name)(LABELS, wider) == pytest.approx(getattr(metrics, name)(LABELS, PROBABILITIES)), name
    assert math.isnan(metrics.per_class(LABELS, wider)[2][3])


def test_undefined_is_nan() -> None:
    assert math.isnan(metrics.macro_auroc(np.zeros(4, dtype=int), PROBABILITIES))
    empty = np.empty(0, dtype=int), np.empty((0, 3))
    assert all(math.isnan(value) for value in metrics.headline(*empty).values())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5), ties=st.booleans())
def test_metrics_are_those_of_scikit_learn(seed: int, classes: int, ties: bool) -> None:
    labels, probabilities = sample(seed, classes=classes, ties=ties)
    names, guess = list(range(classes)), probabilities.argmax(axis=1)
    assert metrics.accuracy(labels, probabilities) == accuracy_score(labels, guess)
    assert metrics.macro_f1(labels, probabilities) == pytest.approx(f1_score(labels, guess, labels=names, average="macro"))
    truth = np.eye(classes)[labels]
    if len(set(labels)) == classes:
        assert metrics.macro_auroc(labels, probabilities) == pytest.approx(roc_auc_score(truth, probabilities, average="macro"))
        assert metrics.macro_auprc(labels, probabilities) == pytest.approx(average_precision_score(truth, probabilities))
    expected = brier_score_loss(labels, probabilities, labels=names, scale_by_half=False)
    assert metrics.brier(labels, probabilities) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), notes=st.integers(1, 50), classes=st.integers(2, 5), ties=st.booleans())
def test_weights_are_repeated_rows(seed: int, notes: int, classes: int, ties: bool) -> None:
    labels, probabilities = sample(seed, notes, classes, ties)
    counts = np.random.default_rng(seed + 1).integers(4, size=notes)
    counts[0] += 1  # at least one row
    weights = np.stack([np.ones(notes), counts, np.zeros(notes)])
    rows = np.repeat(np.arange(notes), counts)
    for name in NAMES:
        measure, statistic = getattr(metrics, name), getattr(weighted, name)(labels, probabilities)
        expected = [measure(labels, probabilities), measure(labels[rows], probabilities[rows]), math.nan]
        np.testing.assert_allclose(statistic(weights), expected, atol=1e-12, err_msg=name)
    by_class = weighted.class_f1(labels, probabilities)(weights)
    np.testing.assert_allclose(by_class[0], metrics.per_class(labels, probabilities)[2], atol=1e-12)
    np.testing.assert_allclose(by_class[1], metrics.per_class(labels[rows], probabilities[rows])[2], atol=1e-12)


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
    labels, probabilities = sample(5, notes=800)
    table = curves.roc(labels, probabilities)
    area = np.trapezoid(table["true_positive_rate"], table["false_positive_rate"])
    assert area == pytest.approx(metrics.macro_auroc(labels, probabilities), abs=0.005)


def test_calibration_and_confusion_tables() -> None:
    table = curves.calibration(LABELS, PROBABILITIES, bins=2)
    assert table.rows() == [(0.6, 0.5, 2.0), (0.75, 1.0, 2.0)]
    rows = curves.confusion(LABELS, PROBABILITIES, ["a", "b", "c"]).rows()
    assert rows == [("a", "a"), ("a", "b"), ("b", "b"), ("c", "c")]
