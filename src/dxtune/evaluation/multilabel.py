"""Point metrics where a note has any number of labels, and the thresholds from which it gets them. numpy and scikit-learn.

`truth` and `guess` are matrices of 0 and 1 or of booleans, (notes, labels); `probabilities` are of the same shape. A value
that the sample does not define is NaN, as in `metrics.py`, and macro averages leave such labels out.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from dxtune.evaluation.metrics import Floats

Matrix = npt.NDArray[Any]
DEFAULT = 0.5  # of a label that validation says nothing about
BORROWED = 50
"""Positives' worth of all labels' decisions in the choice of one label's threshold. docs/tasks.md says what was measured."""


def multi_hot(label_ids: Iterable[Iterable[int]], labels: int) -> npt.NDArray[np.int64]:
    """Lists of label ids as a matrix, (notes, labels).

    >>> multi_hot([[0, 2], []], 3).tolist()
    [[1, 0, 1], [0, 0, 0]]
    """
    rows = [list(ids) for ids in label_ids]
    matrix = np.zeros((len(rows), labels), dtype=np.int64)
    for row, ids in enumerate(rows):
        matrix[row, ids] = 1
    return matrix


def fit_thresholds(truth: Matrix, probabilities: Floats) -> Floats:
    """For each label the probability from which a note gets it: that of the best F1, (labels,).

    The F1 of a label counts the decisions on all labels, too, as if they were BORROWED of its positives: a label that few notes
    have would otherwise get the threshold of a chance. With one label, and with very many notes, it is the label's own best.
    Halfway between two notes' probabilities, the lowest of equally good ones; 0.5 for a label that no note has. F1-optimal
    thresholds are those of Lipton, Elkan and Naryanaswamy 2014 (arXiv:1402.1892), found by trying all.

    >>> fit_thresholds(np.array([[1], [0], [1]]), np.array([[0.75], [0.125], [0.25]])).tolist()
    [0.1875]
    """
    has = np.asarray(truth, dtype=bool)
    scores = np.unique(probabilities)
    between = (scores + np.concatenate([[0.0], scores[:-1]])) / 2
    weight = BORROWED / max(has.sum(), 1)
    hits_of_all, given_of_all = weight * _reach(probabilities[has], scores), weight * _reach(probabilities, scores)
    thresholds = np.full(truth.shape[1], DEFAULT)
    for index in np.flatnonzero(has.any(axis=0)):
        own, mine = probabilities[:, index], has[:, index]
        hits, given = _reach(own[mine], scores) + hits_of_all, _reach(own, scores) + given_of_all
        thresholds[index] = between[np.argmax(hits / (given + mine.sum() + BORROWED))]
    return thresholds


def _reach(values: Floats, scores: Floats) -> npt.NDArray[np.int64]:
    """How many of the values reach each score."""
    return values.size - np.searchsorted(np.sort(values, axis=None), scores)


def f1_of_notes(truth: Matrix, guess: Matrix) -> Floats:
    """The F1 of each note's own labels, (notes,); 1 where it has none and gets none.

    >>> f1_of_notes(np.array([[1, 1, 0], [0, 0, 0]]), np.array([[1, 0, 0], [0, 0, 0]])).round(3).tolist()
    [0.667, 1.0]
    """
    has, given = (np.asarray(each, dtype=bool) for each in (truth, guess))
    both = has.sum(axis=1) + given.sum(axis=1)
    return np.where(both > 0, 2 * (has & given).sum(axis=1) / np.maximum(both, 1), 1.0)


def micro_f1(truth: Matrix, guess: Matrix) -> float:
    """F1 over all decisions of all notes pooled."""
    return _f1(truth, guess, "micro")


def macro_f1(truth: Matrix, guess: Matrix) -> float:
    """The mean F1 over the labels, each counting the same."""
    return _f1(truth, guess, "macro")


def _f1(truth: Matrix, guess: Matrix, average: str) -> float:
    if not len(truth):
        return float("nan")
    return float(f1_score(truth, np.asarray(guess, dtype=np.int64), average=average, zero_division=np.nan))
