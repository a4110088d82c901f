"""Point metrics of a classifier, from true label ids and class probabilities. numpy and scikit-learn, nothing else.

Every function takes `labels`, int (n,), and `probabilities`, float (n, classes); the predicted class is the most probable
one, the lowest id among equals. A value that the sample does not define is NaN, never 0: a class that is neither in the
labels nor predicted has no F1, one that is absent from the labels (or is all of them) has no AUROC, one that is absent
has no average precision. Macro averages leave such classes out. What ranks notes class by class (macro AUROC, macro AUPRC)
also takes labels as a matrix of 0 and 1, (n, classes), for notes with any number of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, precision_recall_fscore_support, roc_auc_score

Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

BINS = 10


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
    return _f1(labels, probabilities, "macro")


def micro_f1(labels: Labels, probabilities: Floats) -> float:
    """F1 over all notes pooled: equal to the accuracy where each note has one label and one prediction."""
    return _f1(labels, probabilities, "micro")


def macro_auroc(labels: Labels, probabilities: Floats) -> float:
    """The mean area under the ROC curve, each class against the rest."""
    return _macro(labels, probabilities, lambda truth, score: roc_auc_score(truth, score, labels=[0, 1]), everywhere=False)


def macro_auprc(labels: Labels, probabilities: Floats) -> float:
    """The mean average precision (area under the precision-recall curve), each class against the rest."""
    return _macro(labels, probabilities, average_precision_score, everywhere=True)


def brier(labels: Labels, probabilities: Floats) -> float:
    """The mean over notes of the squared error summed over classes: 0 is perfect, 2 is certain and wrong (Brier 1950).

    >>> brier(np.array([0, 0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    1.0
    """
    if not len(labels):
        return float("nan")
    classes = range(probabilities.shape[1])
    if len(classes) > 2:
        return float(brier_score_loss(labels, probabilities, labels=list(classes), scale_by_half=False))
    return float(np.mean(brier_terms(labels, probabilities)))


def brier_terms(labels: Labels, probabilities: Floats) -> Floats:
    """Each note's squared error summed over classes, (n,)."""
    truth = np.eye(probabilities.shape[1])[labels]
    terms: Floats = np.square(probabilities - truth).sum(axis=1)
    return terms


def ece(labels: Labels, probabilities: Floats, bins: int = BINS) -> float:
    """Expected calibration error of the top label: the mean over equal-mass bins of |confidence - accuracy|.

    Each bin holds exactly n / bins notes: a note on an edge counts in both in parts, and notes of equal confidence are
    spread evenly, so that the order of rows does not matter. Biased upwards in small samples (Nixon et al. 2019,
    arXiv:1904.01685; Kumar et al. 2019, arXiv:1909.10155).

    >>> round(ece(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), bins=1), 6)
    0.35
    """
    confidence, hit, mass = calibration_bins(labels, probabilities, bins)
    return float(np.mean(np.abs(confidence - hit))) if mass > 0 else float("nan")


def calibration_bins(labels: Labels, probabilities: Floats, bins: int = BINS) -> tuple[Floats, Floats, float]:
    """Mean confidence (bins,), accuracy (bins,), and the notes in each bin (a fraction) of the equal-mass bins of `ece`."""
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


def per_class(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]:
    """Precision, recall and F1 of each class (NaN where not defined), and its notes: four arrays (classes,)."""
    classes = probabilities.shape[1]
    precision, recall, f1, notes = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(classes), average=None, zero_division=np.nan
    )
    return precision, recall, f1, notes


def headline(labels: Labels, probabilities: Floats, bins: int = BINS) -> dict[str, float]:
    """All metrics of this module by name."""
    return {
        "accuracy": accuracy(labels, probabilities),
        "macro_f1": macro_f1(labels, probabilities),
        "micro_f1": micro_f1(labels, probabilities),
        "macro_auroc": macro_auroc(labels, probabilities),
        "macro_auprc": macro_auprc(labels, probabilities),
        "brier": brier(labels, probabilities),
        "ece": ece(labels, probabilities, bins),
    }


def _f1(labels: Labels, probabilities: Floats, average: str) -> float:
    if not len(labels):
        return float("nan")
    classes = range(probabilities.shape[1])
    return float(f1_score(labels, probabilities.argmax(axis=1), labels=classes, average=average, zero_division=np.nan))


def _macro(labels: Labels, probabilities: Floats, score: Callable[..., Any], everywhere: bool) -> float:
    """The mean of a one-against-rest score over the classes in the sample; `everywhere`: also over one that is all of it."""
    values = []
    for index, truth in enumerate(indicators(labels, probabilities.shape[1]).T):
        if truth.any() and (everywhere or not truth.all()):
            values.append(float(score(truth.astype(int), probabilities[:, index])))
    return float(np.mean(values)) if values else float("nan")
