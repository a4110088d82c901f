"""What is decided with probabilities, chosen on validation: whom to alert, when not to answer, which classes stay possible."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dxtune.evaluation.bootstrap import Measure
from dxtune.evaluation.headline import Sample, answers_of
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.rates import counts_of, rates
from dxtune.evaluation.weighted import mean, means, nanmean, ratio
from dxtune.params import Target

RATES = ("sensitivity", "specificity", "ppv", "npv")
"""Of alerts."""


class Policy(NamedTuple):
    """Three choices; NaN where validation says nothing of a class."""

    alert_from: Floats
    """For each class the probability from which a note raises an alert."""
    answer_from: float
    """How sure the model must be of a note (`headline.answers_of`) to say anything of it."""
    possible_from: Floats
    """For each class the probability from which it belongs to a note's set of possible classes."""


def choose(validation: Sample, targets: Mapping[Target, float]) -> Policy:
    """The choices that meet the targets on validation, as `evaluate.targets` names them."""
    pairs = list(zip(validation.truth.T, validation.probabilities.T, strict=True))
    if "sensitivity" in targets:
        alerts = [_lowest_of(score[has], targets["sensitivity"]) for has, score in pairs]
    else:
        alerts = [_above(score[~has], targets["specificity"]) for has, score in pairs]
    sets = [_conformal(score[has], targets["coverage"]) for has, score in pairs]
    return Policy(np.array(alerts), fit_abstention(*answers_of(validation), targets["risk"]), np.array(sets))


def fit_abstention(confidence: Floats, right: Floats, risk: float) -> float:
    """The lowest confidence from which at most the share `risk` of the answers is wrong; above 1 where none is so good.

    right: 1, 0, or of several labels what part of them is. Source: El-Yaniv and Wiener 2010, selective classification.
    The risk is that of these notes: on others it is about the same.

    >>> fit_abstention(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 1.0, 0.0, 1.0]), 0.25)
    0.6
    """
    values, inverse = np.unique(confidence, return_inverse=True)
    wrong = np.bincount(inverse, weights=1 - right)[::-1].cumsum()[::-1]
    answered = np.bincount(inverse)[::-1].cumsum()[::-1]
    fine = np.flatnonzero(wrong <= risk * answered + 1e-9)
    return float(values[fine[0]]) if len(fine) else 2.0


def apply(sample: Sample, policy: Policy, patients: npt.NDArray[np.str_]) -> Measure:
    """A function from weights to what the choices come to: figures (resamples,), and by class (resamples, classes).

    Of alerts: rates, patients with one of a class in a hundred patients, and net benefit at its threshold beside an alert for
    everybody (Vickers and Elkin 2006); none for anybody is 0. Of answers: how many are given, and how many of them are wrong.
    Of sets: how often they hold all that the note has, how many classes they hold, how often exactly one.
    """
    unknown = np.isnan(policy.alert_from)
    alerts = sample.probabilities >= policy.alert_from
    counts, odds = counts_of(sample.truth, alerts), policy.alert_from / np.maximum(1 - policy.alert_from, 1e-12)
    first, alerted = _by_patient(alerts, patients)
    answers, sets = _answers(sample, policy), _sets(sample, policy)

    def values(weights: Floats) -> dict[str, Floats]:
        counted = counts(weights)
        of_alerts = {name: value for name, value in rates(counted).items() if name in RATES}
        hit, said, has, total = (counted[:, row] for row in range(4))
        of_alerts["net_benefit"] = ratio(hit - (said - hit) * odds, total)
        of_alerts["net_benefit_of_all"] = ratio(has - (total - has) * odds, total)
        of_alerts["per_100_patients"] = 100 * ratio(weights @ alerted, (weights @ first)[:, None] + 0 * said)
        named: dict[str, Floats] = {f"alert_{name}": np.where(unknown, np.nan, value) for name, value in of_alerts.items()}
        found = {name: nanmean(value) for name, value in named.items()} | dict(answers(weights)) | dict(sets(weights))
        levels = {"alert_from": policy.alert_from, "possible_from": policy.possible_from}
        of_classes = named | {name: np.broadcast_to(level, said.shape) for name, level in levels.items()}
        return found | {f"class_{name}": value for name, value in of_classes.items()}

    return values


def _answers(sample: Sample, policy: Policy) -> Measure:
    """How many notes get an answer, and how wrong these are."""
    confidence, right = answers_of(sample)
    given = (confidence >= policy.answer_from).astype(np.float64)
    share = mean(given)
    return lambda weights: {
        "answered_share": share(weights),
        "answer_risk": ratio(weights @ (given * (1 - right)), weights @ given),
    }


def _sets(sample: Sample, policy: Policy) -> Measure:
    """The figures of sets of possible classes; a note without any holds all that it has."""
    possible = ~(sample.probabilities < policy.possible_from)  # a class that validation does not know stays possible
    holds, size = (possible | ~sample.truth).all(axis=1), possible.sum(axis=1)
    sets = means(np.stack([holds, size, size == 1], axis=1).astype(np.float64))
    of_class = counts_of(sample.truth, possible)

    def values(weights: Floats) -> dict[str, Floats]:
        found = dict(zip(("set_coverage", "set_size", "set_of_one_share"), sets(weights).T, strict=True))
        return found | {"class_set_coverage": rates(of_class(weights))["sensitivity"]}

    return values


def _by_patient(alerts: npt.NDArray[np.bool_], patients: npt.NDArray[np.str_]) -> tuple[Floats, Floats]:
    """1 at the first row of each patient, (notes,); and there for each class whether any of the patient's rows has an alert."""
    _, start, codes = np.unique(patients, return_index=True, return_inverse=True)
    some = np.zeros((len(start), alerts.shape[1]), dtype=bool)
    np.logical_or.at(some, codes, alerts)
    first, alerted = np.zeros(len(patients)), np.zeros(alerts.shape)
    first[start], alerted[start] = 1, some
    return first, alerted


def _lowest_of(scores: Floats, share: float) -> float:
    """The score that at least this share of the scores reaches, the greatest such."""
    return float(np.sort(scores)[::-1][max(0, int(np.ceil(share * len(scores) - 1e-9)) - 1)]) if len(scores) else np.nan


def _above(scores: Floats, share: float) -> float:
    """The least number that at least this share of the scores stays below."""
    below = int(np.ceil(share * len(scores) - 1e-9))
    return float(np.nextafter(np.sort(scores)[below - 1], np.inf)) if below else (0.0 if len(scores) else np.nan)


def _conformal(scores: Floats, coverage: float) -> float:
    """The probability of its class that a new note of the class reaches with at least this probability; NaN if n is too small.

    The floor((n + 1) (1 - coverage))-th smallest of n exchangeable ones. Source: Vovk 2012, conditional validity of inductive
    conformal predictors (class-conditional, arXiv:1209.2673).
    """
    rank = int(np.floor((len(scores) + 1) * (1 - coverage) + 1e-9))
    return float(np.sort(scores)[rank - 1]) if rank else np.nan
