"""All figures of metrics/evaluate.json from notes joined with probabilities: pure frame-to-dict functions.

A frame here has a row a note in the order of note_id: patient_id, label_id, the subgroup columns, and lists of
probabilities in `probabilities`, `tfidf` and `majority`. One set of patient resamples serves every interval, so
that differences are paired.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from dxtune.evaluation import baseline as baselines
from dxtune.evaluation import metrics, weighted
from dxtune.evaluation.bootstrap import bootstrap, with_interval
from dxtune.evaluation.checks import join_predictions
from dxtune.evaluation.curves import all_curves
from dxtune.evaluation.metrics import Floats, Labels
from dxtune.evaluation.subgroups import assess_groups, by_group, find_groups
from dxtune.params import Evaluate, Params

Figures = dict[str, object]


def matrix(frame: pl.DataFrame, column: str) -> Floats:
    """A column of lists as an array, (notes, classes)."""
    return np.array(frame[column].to_list(), dtype=np.float64)


def measure(
    notes: Mapping[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], params: Params
) -> tuple[Figures, dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    settings, columns, train = params.evaluate, params.collect.subgroup_columns, notes["train"].sort("note_id")
    validation = join_predictions(notes["validation"], predictions, "validation")
    test = join_predictions(notes["test"], predictions, "test")
    seen, classes = train["label_id"].to_numpy(), len(labels)
    tfidf = baselines.tfidf(baselines.texts(train), seen, baselines.texts(test), classes, settings.seed)
    majority = baselines.majority(seen, test.height, classes)
    test = test.with_columns(pl.Series("tfidf", tfidf.tolist()), pl.Series("majority", majority.tolist()))

    figures = assess(test, _points(test, settings.calibration_bins), labels, columns, settings)
    sizes = {"notes": validation.height, "patients": validation["patient_id"].n_unique()}
    figures["validation"] = sizes | _points(validation, settings.calibration_bins)
    if "posterior" in test.columns:
        figures["ceiling"] = ceiling(test)
    tables = all_curves(test["label_id"].to_numpy(), matrix(test, "probabilities"), labels, settings.calibration_bins)
    return tidy(figures), tables


def _points(frame: pl.DataFrame, bins: int) -> dict[str, float]:
    from dxtune.evaluation.clinical_metric import ClinicalMetric  # loads torch, through evaluate

    metric, references = ClinicalMetric(keep_in_memory=True), frame["label_id"].to_numpy()
    return dict(metric.compute(predictions=matrix(frame, "probabilities"), references=references, bins=bins))


def assess(
    frame: pl.DataFrame, points: Mapping[str, float], labels: Sequence[str], subgroup_columns: Sequence[str], settings: Evaluate
) -> Figures:
    """The figures under `test` (the `points` with intervals, classes, subgroups) and under `baseline`."""
    truth, probabilities, tfidf = frame["label_id"].to_numpy(), matrix(frame, "probabilities"), matrix(frame, "tfidf")
    groups = find_groups(frame, subgroup_columns)
    statistics = weighted.headline(truth, probabilities, settings.calibration_bins)
    statistics |= {"tfidf_accuracy": weighted.accuracy(truth, tfidf), "tfidf_macro_f1": weighted.macro_f1(truth, tfidf)}
    statistics |= by_group(groups, statistics["accuracy"])
    drawn = bootstrap(statistics, frame["patient_id"].to_numpy(), settings.bootstrap_resamples, settings.seed)

    test: Figures = {"resamples": settings.bootstrap_resamples}
    test |= {"notes": frame.height, "patients": frame["patient_id"].n_unique()}
    for name, point in points.items():
        test |= with_interval(name, point, drawn[name])
    test["per_class"] = _per_class(truth, probabilities, labels, drawn["class_f1"])
    test["subgroups"] = assess_groups(frame, groups, subgroup_columns, _of_group, drawn)
    return {"test": test, "baseline": _baseline(truth, probabilities, tfidf, matrix(frame, "majority"), drawn)}


def ceiling(frame: pl.DataFrame) -> Figures:
    """What the best possible classifier reaches on these notes, from the true `posterior` of synthetic notes."""
    truth, posterior = frame["label_id"].to_numpy(), matrix(frame, "posterior")
    best = metrics.accuracy(truth, posterior)
    return {
        "accuracy": best,
        "expected_accuracy": float(posterior.max(axis=1).mean()),
        "macro_f1": metrics.macro_f1(truth, posterior),
        "share_of_ceiling": metrics.accuracy(truth, matrix(frame, "probabilities")) / best if best else math.nan,
    }


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


def _per_class(truth: Labels, probabilities: Floats, labels: Sequence[str], drawn: Floats) -> Figures:
    columns = zip(labels, *metrics.per_class(truth, probabilities), strict=True)
    return {
        label: {"precision": float(precision), "recall": float(recall), "notes": int(notes)}
        | with_interval("f1", float(f1), drawn[:, index])
        for index, (label, precision, recall, f1, notes) in enumerate(columns)
    }


def _of_group(rows: pl.DataFrame) -> dict[str, float]:
    truth, probabilities = rows["label_id"].to_numpy(), matrix(rows, "probabilities")
    return {"accuracy": metrics.accuracy(truth, probabilities), "macro_f1": metrics.macro_f1(truth, probabilities)}


def _baseline(truth: Labels, probabilities: Floats, tfidf: Floats, majority: Floats, drawn: dict[str, Floats]) -> Figures:
    figures: Figures = {}
    for name in ("accuracy", "macro_f1"):
        measure = getattr(metrics, name)
        model, linear = measure(truth, probabilities), measure(truth, tfidf)
        figures |= with_interval(f"tfidf_{name}", linear, drawn[f"tfidf_{name}"])
        figures |= with_interval(f"difference_{name}", model - linear, drawn[name] - drawn[f"tfidf_{name}"])
        figures[f"majority_{name}"] = measure(truth, majority)
    return figures
