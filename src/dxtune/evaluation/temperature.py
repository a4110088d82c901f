"""The temperature: the one number that mends probabilities which are too sure. Fitted on validation, applied in predict."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit

from dxtune.evaluation.metrics import Floats, Labels, softmax

TEMPERATURES = (0.1, 10.0)
"""What is looked at: where every note of validation is right, the best one would be 0, and claim certainty."""
TINY = 1e-12
"""Probabilities are kept this far from 0 and 1 before their log-odds are taken."""


def fit_temperature(truth: Labels, logits: Floats) -> float:
    """The temperature under which what is true is likeliest: logits are divided by it; above 1 for a model that is too sure.

    truth: ids of classes, (n,), for a softmax over them; or a matrix of 0 and 1 for logits that each stand alone. 1 without
    notes. Source: Guo et al. 2017 (arXiv:1706.04599).
    """
    if not len(truth):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if truth.ndim == 1:
            return -float(log_softmax(scaled, axis=1)[np.arange(len(truth)), truth].sum())
        return float(np.logaddexp(0, np.where(truth == 1, -scaled, scaled)).sum())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return round(float(np.exp(found.x)), 6)


def untemper(probabilities: Floats, temperature: float, alone: bool) -> Floats:
    """The probabilities as they were before a temperature was applied; `alone`: each class is a question of its own.

    >>> untemper(np.array([[0.25, 0.75]]), 1.0, alone=False).round(6).tolist()
    [[0.25, 0.75]]
    """
    if alone:
        before: Floats = expit(log_odds(probabilities) * temperature)
        return before
    return softmax(np.log(np.maximum(probabilities, np.finfo(float).tiny)) * temperature)


def log_odds(probabilities: Floats) -> Floats:
    """log(p / (1 - p)), kept finite.

    >>> log_odds(np.array([0.5])).tolist()
    [0.0]
    """
    odds: Floats = logit(np.clip(probabilities, TINY, 1 - TINY))
    return odds
