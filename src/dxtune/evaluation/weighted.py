"""Statistics under many weightings of the rows at once: what makes the bootstrap fast.

A resample of a bootstrap is a count for each row, so no row is ever copied. Each function here prepares what does not
depend on the weights (sorting, sums) and gives back a `Statistic`: weights (resamples, rows) in, values (resamples,) or
(resamples, classes) out, NaN where a resample does not define one. Weights of 1 give the value of the rows themselves;
integer weights give that of the repeated rows.
"""

from collections.abc import Callable, Mapping

import numpy as np

from dxtune.evaluation.metrics import Floats, Labels

Statistic = Callable[[Floats], Floats]


def together(statistics: Mapping[str, Statistic]) -> Callable[[Floats], dict[str, Floats]]:
    """From weights to the values of all statistics by name.

    >>> together({"mean": mean(np.array([1.0, 3.0]))})(np.ones((1, 2)))["mean"].tolist()
    [2.0]
    """
    return lambda weights: {name: statistic(weights) for name, statistic in statistics.items()}


def calibration_error(confidence: Floats, right: Floats, bins: int) -> Statistic:
    """A statistic (resamples,): the mean over bins of equal weight of |confidence - share of what is right|.

    confidence, right: (rows,), or (rows, decisions) where each row makes several. The gap between both, summed in order of
    confidence, is a piecewise linear function of the summed weight; the error is its movement between the edges of the bins.
    """
    rows = np.repeat(np.arange(len(confidence)), confidence[0].size if len(confidence) else 1)
    flat = confidence.ravel()
    order, starts = ties(flat)
    gap, rows = (flat - right.ravel())[order], rows[order]
    steps = np.arange(bins + 1) / bins

    def statistic(weights: Floats) -> Floats:
        mass = weights[:, rows]
        gaps = mass * gap
        if len(starts) < len(order):
            mass, gaps = np.add.reduceat(mass, starts, axis=1), np.add.reduceat(gaps, starts, axis=1)
        mass, gaps = _from_zero(mass), _from_zero(gaps)
        at_edges = np.array([np.interp(steps * m[-1], m, g) for m, g in zip(mass, gaps, strict=True)])
        return ratio(np.abs(np.diff(at_edges, axis=1)).sum(axis=1), mass[:, -1])

    return statistic


def ties(score: Floats) -> tuple[Labels, Labels]:
    """The ascending order of rows, and where each run of equal scores starts in it."""
    order = np.argsort(score, kind="stable")
    return order, np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)


def mean(values: Floats) -> Statistic:
    """A statistic (resamples,): the weighted mean."""
    return lambda weights: ratio(weights @ values, weights.sum(axis=1))


def means(columns: Floats) -> Statistic:
    """A statistic (resamples, columns): the weighted mean of each column of (rows, columns)."""
    return lambda weights: ratio(weights @ columns, weights.sum(axis=1, keepdims=True).repeat(columns.shape[1], axis=1))


def _from_zero(steps: Floats) -> Floats:
    sums = np.zeros((len(steps), steps.shape[1] + 1))
    np.cumsum(steps, axis=1, out=sums[:, 1:])
    return sums


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, NaN where below is 0."""
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio


def nanmean(values: Floats) -> Floats:
    """The mean over columns of what is defined, NaN for a row where nothing is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1).astype(float))


def mean_of_defined(values: Floats) -> Statistic:
    """A statistic (resamples,): the weighted mean of what is not NaN; NaN where nothing is.

    >>> mean_of_defined(np.array([1.0, np.nan]))(np.ones((1, 2))).tolist()
    [1.0]
    """
    defined = np.isfinite(values)
    known = np.where(defined, values, 0.0)
    return lambda weights: ratio(weights @ known, weights @ defined.astype(np.float64))
