"""The metrics of `metrics.py` under many weightings of the rows at once: what makes the bootstrap fast.

A resample of a bootstrap is a count for each row, so no row is ever copied. Each function here prepares what does not
depend on the weights (sorting, indicators) and gives back a `Statistic`: weights (resamples, rows) in, values
(resamples,) or (resamples, classes) out, NaN where a resample does not define one. Weights of 1 give the value of
`metrics.py`; integer weights give its value on the repeated rows.
"""

from collections.abc import Callable

import numpy as np

from dxtune.evaluation.metrics import BINS, Floats, Labels, brier_terms, indicators

Statistic = Callable[[Floats], Floats]


def accuracy(labels: Labels, probabilities: Floats) -> Statistic:
    """A statistic (resamples,): the weighted share of right predictions.

    >>> statistic = accuracy(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    >>> statistic(np.array([[1.0, 1.0], [3.0, 1.0]])).tolist()
    [0.5, 0.75]
    """
    return mean((probabilities.argmax(axis=1) == labels).astype(float))


def brier(labels: Labels, probabilities: Floats) -> Statistic:
    """A statistic (resamples,): the weighted mean squared error summed over classes."""
    return mean(brier_terms(labels, probabilities))


def class_f1(labels: Labels, probabilities: Floats) -> Statistic:
    """A statistic (resamples, classes): F1 = 2 tp / (true + predicted), from one matrix product of weights and indicators."""
    classes = probabilities.shape[1]
    return f1_of(np.eye(classes)[labels], np.eye(classes)[probabilities.argmax(axis=1)])


def f1_of(truth: Floats, guess: Floats) -> Statistic:
    """A statistic (resamples, classes) from who has a class and who is said to have it, both (rows, classes) of 0 and 1."""
    classes = truth.shape[1]
    sums_of = np.hstack([2 * truth * guess, truth + guess])

    def statistic(weights: Floats) -> Floats:
        sums = weights @ sums_of
        return ratio(sums[:, :classes], sums[:, classes:])

    return statistic


def macro_f1(labels: Labels, probabilities: Floats) -> Statistic:
    """A statistic (resamples,): the mean F1 over the classes that a resample defines."""
    by_class = class_f1(labels, probabilities)
    return lambda weights: nanmean(by_class(weights))


def macro_auroc(labels: Labels, probabilities: Floats) -> Statistic:
    """A statistic (resamples,): the mean one-against-rest area under the ROC curve; ties count half (Mann-Whitney)."""

    def one(positive: Floats, negative: Floats) -> Floats:
        below = np.cumsum(negative, axis=1) - negative
        wins = np.einsum("rg,rg->r", positive, below + 0.5 * negative)
        return ratio(wins, positive.sum(axis=1) * negative.sum(axis=1))

    return _one_against_rest(labels, probabilities, one)


def macro_auprc(labels: Labels, probabilities: Floats) -> Statistic:
    """A statistic (resamples,): the mean one-against-rest average precision, step-wise as in scikit-learn."""

    def one(positive: Floats, negative: Floats) -> Floats:
        found = np.cumsum(positive[:, ::-1], axis=1)
        marked = found + np.cumsum(negative[:, ::-1], axis=1)
        precision = np.divide(found, marked, out=np.zeros_like(found), where=marked > 0)
        return ratio(np.einsum("rg,rg->r", positive[:, ::-1], precision), found[:, -1])

    return _one_against_rest(labels, probabilities, one)


def ece(labels: Labels, probabilities: Floats, bins: int = BINS) -> Statistic:
    """A statistic (resamples,): the top-label calibration error in bins of equal weight.

    The gap between confidence and accuracy, summed in order of confidence, is a piecewise linear function of the summed
    weight; the error is its movement between the edges of the bins.
    """
    confidence = probabilities.max(axis=1)
    gap = confidence - (probabilities.argmax(axis=1) == labels)
    order, starts = ties(confidence)

    def statistic(weights: Floats) -> Floats:
        ranked = weights[:, order]
        mass = _from_zero(np.add.reduceat(ranked, starts, axis=1))
        gaps = _from_zero(np.add.reduceat(ranked * gap[order], starts, axis=1))
        steps = np.arange(bins + 1) / bins
        at_edges = np.array([np.interp(steps * m[-1], m, g) for m, g in zip(mass, gaps, strict=True)])
        return ratio(np.abs(np.diff(at_edges, axis=1)).sum(axis=1), mass[:, -1])

    return statistic


def headline(labels: Labels, probabilities: Floats, bins: int = BINS) -> dict[str, Statistic]:
    """The statistics of all headline metrics by name, and `class_f1`."""
    return {
        "accuracy": accuracy(labels, probabilities),
        "macro_f1": macro_f1(labels, probabilities),
        "micro_f1": accuracy(labels, probabilities),
        "macro_auroc": macro_auroc(labels, probabilities),
        "macro_auprc": macro_auprc(labels, probabilities),
        "brier": brier(labels, probabilities),
        "ece": ece(labels, probabilities, bins),
        "class_f1": class_f1(labels, probabilities),
    }


def _one_against_rest(labels: Labels, probabilities: Floats, one: Callable[[Floats, Floats], Floats]) -> Statistic:
    """The mean over classes of `one`, which sees the weights of positives and negatives at each score, ascending."""
    truths = indicators(labels, probabilities.shape[1]).T
    classes = [(truth, *ties(probabilities[:, index])) for index, truth in enumerate(truths)]

    def statistic(weights: Floats) -> Floats:
        values = []
        for truth, order, starts in classes:
            ranked = weights[:, order]
            positive = np.add.reduceat(ranked * truth[order], starts, axis=1)
            values.append(one(positive, np.add.reduceat(ranked, starts, axis=1) - positive))
        return nanmean(np.stack(values, axis=1))

    return statistic


def ties(score: Floats) -> tuple[Labels, Labels]:
    """The ascending order of rows, and where each run of equal scores starts in it."""
    order = np.argsort(score, kind="stable")
    return order, np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)


def mean(values: Floats) -> Statistic:
    return lambda weights: ratio(weights @ values, weights.sum(axis=1))


def _from_zero(steps: Floats) -> Floats:
    return np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, NaN where below is 0."""
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio


def nanmean(values: Floats) -> Floats:
    """The mean over columns of what is defined, NaN for a row where nothing is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1).astype(float))
