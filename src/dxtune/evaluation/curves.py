"""The tables behind the figures: ROC, precision and recall, calibration, confusion. dvc.yaml plots the same columns."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from sklearn.metrics import precision_recall_curve, roc_curve

from dxtune.evaluation import classes, subgroups
from dxtune.evaluation.metrics import Floats, Labels, calibration_bins, indicators

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


def confusion(labels: Labels, probabilities: Floats, names: Sequence[str]) -> pl.DataFrame:
    """One row a note: the names of its actual and its predicted label, sorted, so that no row tells which note it was."""
    guess = probabilities.argmax(axis=1)
    rows = sorted((names[actual], names[predicted]) for actual, predicted in zip(labels, guess, strict=True))
    return pl.DataFrame(rows, schema={"actual": pl.String, "predicted": pl.String}, orient="row")


def no_curves() -> dict[str, pl.DataFrame]:
    """All tables of metrics/plots by file name without its ending, without a row: dvc.yaml names the files for every task."""
    return {
        "roc": _table(false_positive_rate=[], true_positive_rate=[]),
        "precision_recall": _table(recall=[], precision=[]),
        "calibration": _table(confidence=[], accuracy=[], notes=[]),
        "confusion": pl.DataFrame(schema={"actual": pl.String, "predicted": pl.String}),
        "classes": pl.DataFrame(schema=classes.TABLE),
        "subgroups": pl.DataFrame(schema=subgroups.TABLE),
    }


def all_curves(labels: Labels, probabilities: Floats, names: Sequence[str], bins: int) -> dict[str, pl.DataFrame]:
    """The tables of the figures by file name without its ending."""
    return {
        "roc": roc(labels, probabilities),
        "precision_recall": precision_recall(labels, probabilities),
        "calibration": calibration(labels, probabilities, bins),
        "confusion": confusion(labels, probabilities, names),
    }


def _table(**columns: Floats | Sequence[float]) -> pl.DataFrame:
    return pl.DataFrame({name: np.round(np.asarray(values, dtype=np.float64), 6) for name, values in columns.items()})
