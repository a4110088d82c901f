"""The tables behind the figures: ROC, precision and recall, calibration, confusion. dvc.yaml plots the same columns."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from sklearn.metrics import precision_recall_curve, roc_curve

from dxtune.evaluation import classes, subgroups
from dxtune.evaluation.headline import Sample, answers_of
from dxtune.evaluation.metrics import Floats, Labels, calibration_bins, indicators
from dxtune.evaluation.multilabel import Matrix

GRID = np.linspace(0, 1, 101)


def roc(labels: Labels, probabilities: Floats) -> pl.DataFrame:
    """The mean over classes of the one-against-rest ROC curves at 101 false positive rates, and the corner (0, 0)."""
    curves = []
    for index, truth in enumerate(indicators(labels, probabilities.shape[1]).T):
        if truth.any() and not truth.all():
            wrong, right, _ = roc_curve(truth, probabilities[:, index], drop_intermediate=False)
            curves.append(np.interp(GRID, wrong, right))
    rates = np.mean(curves, axis=0) if curves else np.empty(0)
    return _table(false_positive_rate=[0.0, *GRID[: len(rates)]], true_positive_rate=[0.0, *rates])


def precision_recall(labels: Labels, probabilities: Floats) -> pl.DataFrame:
    """The precision at 101 recalls, all classes pooled: at each, that of the highest threshold that reaches the recall."""
    truth = indicators(labels, probabilities.shape[1])
    precision, recall, _ = precision_recall_curve(truth.ravel(), probabilities.ravel())
    reaches = np.searchsorted(recall[::-1], GRID, side="left")
    return _table(recall=GRID, precision=precision[::-1][reaches])


def calibration(labels: Labels, probabilities: Floats, bins: int) -> pl.DataFrame:
    """Mean confidence and accuracy of the equal-mass bins of the calibration error, and the notes in each (a fraction)."""
    confidence, accuracy, notes = calibration_bins(labels, probabilities, bins)
    return _table(confidence=confidence, accuracy=accuracy, notes=np.full(bins, notes))


def confusion(frame: pl.DataFrame, probabilities: Floats, names: Sequence[str], smallest: int) -> pl.DataFrame:
    """One row a note: the names of its actual and its predicted label, sorted, so that no row tells which note it was.

    Pairs of labels with notes of fewer than `smallest` patients are left out. frame: `patient_id` and `label_id`.
    """
    pairs = frame.select(
        "patient_id",
        actual=pl.Series(np.array(names)[frame["label_id"].to_numpy()], dtype=pl.String),
        predicted=pl.Series(np.array(names)[probabilities.argmax(axis=1)], dtype=pl.String),
    )
    shown = pairs.filter(pl.col("patient_id").n_unique().over("actual", "predicted") >= smallest)
    return shown.select("actual", "predicted").sort("actual", "predicted")


def net_benefit(truth: Matrix, probabilities: Floats) -> pl.DataFrame:
    """The net benefit at 99 thresholds, mean over classes: of the model's alerts, of alerts for all notes, and of none.

    True alerts less false ones, weighed by the odds of the threshold, in a note (Vickers and Elkin 2006).
    """
    thresholds = GRID[1:-1]
    odds = thresholds / (1 - thresholds)
    benefits = []
    for has, score in zip(np.asarray(truth, dtype=bool).T, probabilities.T, strict=True):
        hit, false = (len(some) - np.searchsorted(np.sort(some), thresholds) for some in (score[has], score[~has]))
        benefits.append((hit - false * odds) / len(score))
    share = np.mean(truth)
    model = np.mean(benefits, axis=0)
    return _table(threshold=thresholds, model=model, all=share - (1 - share) * odds, none=np.zeros(len(odds)))


def risk_coverage(sample: Sample) -> pl.DataFrame:
    """How wrong the surest answers are (`headline.answers_of`), for each hundredth of the notes that gets one.

    Notes of equal confidence are wrong in equal parts.
    """
    confidence, right = answers_of(sample)
    if not len(right):
        return _table(coverage=[], risk=[])
    _, inverse, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    answered = np.concatenate([[0], counts.cumsum()])
    wrong = np.concatenate([[0], np.bincount(inverse, weights=1 - right).cumsum()])
    share = GRID[1:]
    return _table(coverage=share, risk=np.interp(share * len(right), answered, wrong) / (share * len(right)))


def no_curves() -> dict[str, pl.DataFrame]:
    """All tables of metrics/plots by file name without its ending, without a row: dvc.yaml names the files for every task."""
    return {
        "roc": _table(false_positive_rate=[], true_positive_rate=[]),
        "precision_recall": _table(recall=[], precision=[]),
        "calibration": _table(confidence=[], accuracy=[], notes=[]),
        "confusion": pl.DataFrame(schema={"actual": pl.String, "predicted": pl.String}),
        "classes": pl.DataFrame(schema=classes.TABLE),
        "subgroups": pl.DataFrame(schema=subgroups.TABLE),
        "decision": _table(threshold=[], model=[], all=[], none=[]),
        "risk_coverage": _table(coverage=[], risk=[]),
    }


def _table(**columns: Floats | Sequence[float]) -> pl.DataFrame:
    return pl.DataFrame({name: np.round(np.asarray(values, dtype=np.float64), 6) for name, values in columns.items()})
