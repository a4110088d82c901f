"""All figures of metrics/evaluate.json from notes joined with probabilities: pure frame-to-dict functions.

A frame here has a row a note in the order of note_id. One set of patient resamples serves every interval, so that differences
are paired. Classification and multilabel share `assess`; what differs is the Sample that they make of a frame.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from dxtune.evaluation import baseline as baselines
from dxtune.evaluation import curves
from dxtune.evaluation.bootstrap import Measure, bootstrap, rare_strata, with_interval
from dxtune.evaluation.calibration import log_loss
from dxtune.evaluation.checks import join_predictions
from dxtune.evaluation.classes import by_class
from dxtune.evaluation.headline import Sample, measure, points, single
from dxtune.evaluation.metrics import Floats, accuracy, indicators, macro_f1
from dxtune.evaluation.multilabel import Matrix
from dxtune.evaluation.policy import Policy, apply, choose
from dxtune.evaluation.rates import counts_of, macro, micro_f1, rates
from dxtune.evaluation.subgroups import assess_groups, by_group, find_groups, worst_gap
from dxtune.evaluation.temperature import untemper
from dxtune.evaluation.unlike import FAR
from dxtune.evaluation.weighted import mean
from dxtune.params import Params
from dxtune.records import SMALLEST_GROUP

Figures = dict[str, object]
Tables = dict[str, pl.DataFrame]
BINS = 10
"""Of equal mass, of the calibration error."""
ALIKE = ("macro_f1", "macro_auroc", "macro_auprc", "brier", "ece")
"""Figures that are also given with every patient counting the same, beside the first of a sample."""


def matrix(frame: pl.DataFrame, column: str) -> Floats:
    """A column of lists as an array, (notes, classes)."""
    return np.array(frame[column].to_list(), dtype=np.float64)


def measured(
    notes: Mapping[str, pl.DataFrame],
    predictions: pl.DataFrame,
    labels: list[str],
    temperature: float,
    others: Mapping[str, Floats],
    params: Params,
) -> tuple[Figures, Tables]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions.

    others: what rivals make of the test notes besides the linear and the constant one, in the order of note_id.
    """
    from dxtune.evaluation.clinical_metric import measure as by_metric  # loads torch, through evaluate

    train, size = notes["train"].sort("note_id"), len(labels)
    validation, test = (join_predictions(notes[split], predictions, split) for split in ("validation", "test"))
    seen, truth, probabilities = train["label_id"].to_numpy(), test["label_id"].to_numpy(), matrix(test, "probabilities")
    rivals = {
        "tfidf": baselines.tfidf(baselines.texts(train), seen, baselines.texts(test), size),
        "majority": baselines.majority(seen, test.height, size),
        **others,
    }
    guesses = {name: indicators(values.argmax(axis=1), size) for name, values in rivals.items()}
    sample = single(truth, probabilities)

    known = single(validation["label_id"].to_numpy(), matrix(validation, "probabilities"))
    figures, tables = assess(test, sample, choose(known, params.evaluate.targets), guesses, labels, params)
    figures["calibration"] = calibrated(sample, temperature)
    figures["validation"] = sizes(validation) | by_metric(
        "classification", known.probabilities, validation["label_id"].to_numpy(), bins=BINS
    )
    if "posterior" in test.columns:
        figures["ceiling"] = ceiling(test)
    nobody = params.collect.source == "synthetic"  # then no cell can point at a person
    tables |= {
        "roc": curves.roc(truth, probabilities),
        "precision_recall": curves.precision_recall(truth, probabilities),
        "calibration": curves.calibration(truth, probabilities, fitting_bins(test)),
        "confusion": curves.confusion(test, probabilities, labels, smallest=0 if nobody else SMALLEST_GROUP),
    }
    return tidy(figures), tables


def assess(
    frame: pl.DataFrame, sample: Sample, policy: Policy, rivals: Mapping[str, Matrix], labels: Sequence[str], params: Params
) -> tuple[Figures, Tables]:
    """The figures under `test`, `decision` and `baseline`, and the tables of classes, subgroups and decisions.

    policy: chosen on validation. rivals: what others guess.
    """
    settings, columns, patients = params.evaluate, params.collect.subgroup_columns, frame["patient_id"].to_numpy()
    groups, strata = find_groups(frame, columns), rare_strata(sample.truth, patients)
    own, chosen = measure(sample, BINS), apply(sample, policy, patients)
    strange = mean((frame["unlike"].to_numpy() > FAR).astype(np.float64))
    of_groups = by_group(groups, lambda rows: _within(sample, policy, patients, rows))
    share = 1 / frame.select(pl.len().over("patient_id")).to_series().to_numpy()
    beside = {name: f1s(sample, guess) for name, guess in rivals.items()}

    def everything(weights: Floats) -> dict[str, Floats]:
        found = {**own(weights), **chosen(weights), **of_groups(weights)}
        found["unlike_share"] = strange(weights)
        found |= {f"alike_{name}": value for name, value in own(weights * share).items()}
        return found | {f"{rival}_{name}": value for rival, some in beside.items() for name, value in some(weights).items()}

    drawn = bootstrap(everything, patients, settings.bootstrap_resamples, strata=strata)
    once = everything(np.ones((1, frame.height)))
    values = {name: float(value[0]) for name, value in once.items() if value.ndim == 1}
    test: Figures = {"resamples": settings.bootstrap_resamples, **sizes(frame), "rare_classes": len({*strata} - {0})}
    gone = (drawn["class_notes"] == 0) & (once["class_notes"] > 0)
    test["resamples_without_a_class"] = int(gone.any(axis=1).sum())
    for name in names_of(own, frame.height):
        test |= with_interval(name, values[name], drawn[name])
    decision: Figures = {f"target_{name}": value for name, value in settings.targets.items()}
    decision["answer_from"] = policy.answer_from
    for name in (*names_of(chosen, frame.height), "unlike_share"):
        decision |= with_interval(name, values[name], drawn[name])
    alike: Figures = {}
    for name in (sample.first, *ALIKE):
        alike |= with_interval(name, values[f"alike_{name}"], drawn[f"alike_{name}"])
    test["patients_alike"] = alike
    test["per_class"], classes = by_class(sample, patients, labels, once, drawn)
    test["subgroups"], subgroups = assess_groups(groups, (sample.first, "macro_f1"), once, drawn)
    test |= worst_gap(test["subgroups"], sample.first)  # type: ignore[arg-type]

    tables = {"classes": classes, "subgroups": subgroups, "decision": curves.net_benefit(sample.truth, sample.probabilities)}
    figures: Figures = {"test": test, "decision": decision, "baseline": compared(rivals, sample.first, values, drawn)}
    return figures, tables | {"risk_coverage": curves.risk_coverage(sample)}


def compared(rivals: Iterable[str], first: str, values: Mapping[str, float], drawn: Mapping[str, Floats]) -> Figures:
    """The two headline figures of each rival, and what the model has more, on the same resamples."""
    found: Figures = {}
    for rival in rivals:
        for name in (first, "macro_f1"):
            theirs, difference = f"{rival}_{name}", f"difference_{rival}_{name}".replace("_tfidf", "")
            found |= with_interval(theirs, values[theirs], drawn[theirs])
            found |= with_interval(difference, values[name] - values[theirs], drawn[name] - drawn[theirs])
    return found


def calibrated(sample: Sample, temperature: float) -> Figures:
    """The temperature, and what the probabilities of the test notes are worth before and after it was applied."""
    before = sample._replace(probabilities=untemper(sample.probabilities, temperature, alone=not sample.single))
    found: Figures = {"temperature": temperature}
    for when, some in (("before", before), ("after", sample)):
        names = ("brier", "ece", "overconfidence", "calibration_slope", "calibration_intercept")
        kept = {name: value for name, value in points(some, BINS).items() if name in names}
        found[when] = kept | {"log_loss": log_loss(some.truth, some.probabilities, alone=not sample.single)}
    return found


def ceiling(frame: pl.DataFrame) -> Figures:
    """What the best possible classifier reaches on these notes, from the true `posterior` of synthetic notes."""
    truth, posterior = frame["label_id"].to_numpy(), matrix(frame, "posterior")
    best = accuracy(truth, posterior)
    return {
        "accuracy": best,
        "expected_accuracy": float(posterior.max(axis=1).mean()),
        "macro_f1": macro_f1(truth, posterior),
        "share_of_ceiling": accuracy(truth, matrix(frame, "probabilities")) / best if best else math.nan,
    }


def sizes(frame: pl.DataFrame) -> Figures:
    """How many notes and patients there are."""
    return {"notes": frame.height, "patients": frame["patient_id"].n_unique()}


def fitting_bins(frame: pl.DataFrame) -> int:
    """The bins of a curve of calibration: BINS, fewer where one would hold the notes of under ten patients."""
    return max(1, min(BINS, frame["patient_id"].n_unique() // SMALLEST_GROUP))


def names_of(measure: Measure, notes: int) -> list[str]:
    """The names of the figures that are no figures of classes."""
    return [name for name in measure(np.ones((1, notes))) if not name.startswith("class_")]


def f1s(sample: Sample, guess: Matrix) -> Measure:
    """The two headline figures of another guess at the same notes."""
    counts = counts_of(sample.truth, guess)

    def values(weights: Floats) -> dict[str, Floats]:
        counted = counts(weights)
        return {sample.first: micro_f1(counted), "macro_f1": macro(rates(counted))["macro_f1"]}

    return values


def _within(sample: Sample, policy: Policy, patients: np.ndarray, rows: np.ndarray) -> Measure:
    own, chosen = measure(sample.rows(rows), BINS), apply(sample.rows(rows), policy, patients[rows])
    return lambda weights: {**own(weights[:, rows]), **chosen(weights[:, rows])}


def tidy(figures: Figures) -> Figures:
    """The same figures ready for JSON: rounded to 6 digits, and what is undefined left out, with its number as `undefined`.

    >>> tidy({"b": {"f1": float("nan"), "notes": 0}, "a": 1 / 3})
    {'b': {'notes': 0, 'undefined': 1}, 'a': 0.333333}
    """
    kept: Figures = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            kept[key] = tidy(value)
        elif isinstance(value, float):
            if not math.isnan(value):
                kept[key] = round(value, 6) + 0.0
        else:
            kept[key] = value
    undefined = len(figures) - len(kept)
    return kept | ({"undefined": undefined} if undefined else {})
