"""Counts of right and wrong decisions by class, and every rate that follows from them.

Classification and multilabel share it: `truth` and `guess` are matrices of 0 and 1, (notes, classes), who has a class and who
is said to have it. What a sample does not define is NaN.
"""

from collections.abc import Mapping

import numpy as np

from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import Matrix
from dxtune.evaluation.weighted import Statistic, nanmean, ratio


def counts_of(truth: Matrix, guess: Matrix) -> Statistic:
    """A statistic (resamples, 4, classes): notes rightly said to have a class, said to have it, with it, and all notes.

    >>> counts_of(np.array([[1, 0], [0, 1]]), np.array([[1, 0], [1, 0]]))(np.ones((1, 2)))[0].tolist()
    [[1.0, 0.0], [2.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    """
    has, said = np.asarray(truth, dtype=np.float64), np.asarray(guess, dtype=np.float64)
    sums_of = np.hstack([has * said, said, has, np.ones_like(has)])
    return lambda weights: (weights @ sums_of).reshape(len(weights), 4, has.shape[1])


def rates(counts: Floats) -> dict[str, Floats]:
    """Every rate of each class against the rest, (resamples, classes), from what `counts_of` gives.

    mcc: Matthews' correlation coefficient. balanced_accuracy: the mean of sensitivity and specificity.
    """
    hit, said, has, total = (counts[:, row].astype(np.float64) for row in range(4))
    rejected = total - said - has + hit
    sensitivity, specificity = ratio(hit, has), ratio(rejected, total - has)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ratio(hit, said),
        "npv": ratio(rejected, total - said),
        "f1": ratio(2 * hit, has + said),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "mcc": ratio(hit * total - said * has, np.sqrt(said * has * (total - said) * (total - has))),
    }


def macro(rates: Mapping[str, Floats]) -> dict[str, Floats]:
    """The mean over the classes that have each rate, (resamples,), under the name macro_RATE."""
    return {f"macro_{name}": nanmean(values) for name, values in rates.items()}


def micro_f1(counts: Floats) -> Floats:
    """F1 over all decisions pooled, (resamples,); with one label a note and one guess it is the accuracy."""
    return ratio(2 * counts[:, 0].sum(axis=1), counts[:, 1].sum(axis=1) + counts[:, 2].sum(axis=1))


def mcc(counts: Floats) -> Floats:
    """Matthews' correlation of all classes together, (resamples,); one label and one guess a note (Gorodkin 2004)."""
    hit, total = counts[:, 0].sum(axis=1), counts[:, 3, 0]
    said, has = counts[:, 1], counts[:, 2]
    spread = (total**2 - (said**2).sum(axis=1)) * (total**2 - (has**2).sum(axis=1))
    return ratio(hit * total - (said * has).sum(axis=1), np.sqrt(np.maximum(spread, 0)))
