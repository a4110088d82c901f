"""How far probabilities can be believed: the line of calibration, and the surprise at what is true.

`truth` is a matrix of 0 and 1, (notes, classes), and `probabilities` are of the same shape: each class against the rest.
"""

import numpy as np
from scipy.special import expit

from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import Matrix
from dxtune.evaluation.temperature import TINY, log_odds
from dxtune.evaluation.weighted import Statistic, ratio


def line(truth: Matrix, probabilities: Floats) -> Floats:
    """Slope and intercept, (2,), of the log-odds of what is true over those that were said, all classes pooled.

    1 and 0 are perfect; a slope below 1: too sure. NaN where no line is the best: no spread, or truth and its contrary are
    wholly apart. Source: Cox 1958; Van Calster et al. 2019 (doi:10.1186/s12916-019-1466-7).
    """
    outcome, said = np.asarray(truth, dtype=np.float64).ravel(), log_odds(probabilities).ravel()
    yes, no = said[outcome == 1], said[outcome == 0]
    if not len(yes) or not len(no) or yes.min() >= no.max() or no.min() >= yes.max():
        return np.full(2, np.nan)
    found, design = np.array([1.0, 0.0]), np.stack([said, np.ones_like(said)], axis=1)
    for _ in range(100):  # Newton's steps, no longer than 1
        mean = expit(design @ found)
        step = np.linalg.solve(design.T @ (design * (mean * (1 - mean))[:, None]), design.T @ (outcome - mean))
        found += step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-9:
            return found
    return np.full(2, np.nan)


def line_of(truth: Matrix, probabilities: Floats) -> Statistic:
    """A statistic (resamples, 2): `line` under weights, by one step of Newton from the line of all notes.

    The step needs sums over notes alone, so ten thousand resamples are one matrix product. Source: Davidson and MacKinnon 1999,
    bootstrap testing in nonlinear models (doi:10.1111/1468-2354.00026).
    """
    found, said = line(truth, probabilities), log_odds(probabilities)
    mean = expit(found[0] * said + found[1])
    rest, spread = truth - mean, mean * (1 - mean)
    terms = (said * rest, rest, said * said * spread, said * spread, spread)
    sums_of = np.stack([term.sum(axis=1) for term in terms], axis=1)

    def statistic(weights: Floats) -> Floats:
        by_slope, by_intercept, a, b, d = (weights @ sums_of).T
        step = np.stack([d * by_slope - b * by_intercept, a * by_intercept - b * by_slope], axis=1)
        curvature = a * d - b * b
        return found + ratio(step, np.stack([curvature, curvature], axis=1))

    return statistic


def log_loss(truth: Matrix, probabilities: Floats, alone: bool) -> float:
    """The mean over notes of the nats by which what is true surprises; NaN without notes."""
    if not len(truth):
        return float("nan")
    said = np.clip(probabilities, TINY, 1)
    nats = truth * np.log(said)
    if alone:
        nats = nats + (1 - truth) * np.log(np.clip(1 - probabilities, TINY, 1))
    return float(-nats.sum(axis=1).mean())
