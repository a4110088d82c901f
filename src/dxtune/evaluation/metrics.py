"""What training and figures share: the likeliest class, its accuracy and macro F1, and the bins of the calibration curve.

Every function takes `labels`, int (n,), and `probabilities`, float (n, classes); the predicted class is the most probable
one, the lowest id among equals. A value that the sample does not define is NaN, never 0: a class that is neither in the
labels nor predicted has no F1, and the macro average leaves it out.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


def indicators(labels: Labels, classes: int) -> npt.NDArray[np.bool_]:
    """For each note and class whether it has it, (n, classes), from ids, (n,), or from a matrix.

    >>> indicators(np.array([1, 0]), 2).tolist()
    [[False, True], [True, False]]
    """
    return np.asarray(labels, dtype=bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)


def softmax(logits: Floats) -> Floats:
    """The probabilities of (n, classes) logits; each row sums to 1.

    >>> softmax(np.array([[0.0, np.log(3.0)]])).round(2).tolist()
    [[0.25, 0.75]]
    """
    odds = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def accuracy(labels: Labels, probabilities: Floats) -> float:
    """The share of notes whose most probable class is the true one.

    >>> accuracy(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    0.5
    """
    return float(np.mean(probabilities.argmax(axis=1) == labels)) if len(labels) else float("nan")


def macro_f1(labels: Labels, probabilities: Floats) -> float:
    """The mean F1 over the classes, each counting the same."""
    if not len(labels):
        return float("nan")
    classes = range(probabilities.shape[1])
    return float(f1_score(labels, probabilities.argmax(axis=1), labels=classes, average="macro", zero_division=np.nan))


def calibration_bins(labels: Labels, probabilities: Floats, bins: int) -> tuple[Floats, Floats, float]:
    """Mean confidence (bins,), accuracy (bins,), and the notes in each bin (a fraction) of the equal-mass bins.

    Each bin holds exactly n / bins notes: a note on an edge counts in both in parts, and notes of equal confidence are spread
    evenly, so that the order of rows does not matter.
    """
    if not len(labels):
        return np.full(bins, np.nan), np.full(bins, np.nan), 0.0
    confidence = probabilities.max(axis=1)
    hit = (probabilities.argmax(axis=1) == labels).astype(float)
    values, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    mass = np.concatenate([[0.0], np.cumsum(counts)])
    edges = np.linspace(0, len(labels), bins + 1)
    size = len(labels) / bins

    def per_bin(sums: Floats) -> Floats:
        means: Floats = np.diff(np.interp(edges, mass, np.concatenate([[0.0], np.cumsum(sums)]))) / size
        return means

    return per_bin(values * counts), per_bin(np.bincount(inverse, weights=hit).astype(float)), size
