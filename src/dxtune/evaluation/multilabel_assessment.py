"""All figures of metrics/evaluate.json where a note has any number of labels; the counterpart of `assessment.measured`."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from dxtune.evaluation import baseline, curves
from dxtune.evaluation.assessment import BINS, Figures, Tables, assess, calibrated, matrix, sizes, tidy
from dxtune.evaluation.checks import join_predictions
from dxtune.evaluation.headline import several
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import Matrix, fit_thresholds, multi_hot
from dxtune.evaluation.policy import choose
from dxtune.params import Params


def measured(
    notes: Mapping[str, pl.DataFrame],
    predictions: pl.DataFrame,
    labels: list[str],
    temperature: float,
    thresholds: Floats,
    others: Mapping[str, Matrix],
    params: Params,
) -> tuple[Figures, Tables]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions.

    thresholds: (labels,), fitted on validation; those of the linear baseline are fitted there in the same way. others: what
    rivals make of the test notes besides the linear and the constant one, in the order of note_id.
    """
    from dxtune.evaluation.clinical_metric import measure as by_metric  # loads torch, through evaluate

    train = notes["train"].sort("note_id")
    validation, test = (join_predictions(notes[split], predictions, split) for split in ("validation", "test"))
    seen, known, truth = (multi_hot(frame["label_ids"], len(labels)) for frame in (train, validation, test))
    texts = [baseline.texts(frame) for frame in (validation, test)]
    for_thresholds, tfidf = baseline.tfidf_labels(baseline.texts(train), seen, texts)
    rivals = {
        "tfidf": tfidf >= fit_thresholds(known, for_thresholds),
        "majority": _most_frequent(seen, test.height),
        **others,
    }
    sample = several(truth, matrix(test, "probabilities"), thresholds)

    known_sample = several(known, matrix(validation, "probabilities"), thresholds)
    figures, tables = assess(test, sample, choose(known_sample, params.evaluate.targets), rivals, labels, params)
    for label, least in zip(labels, thresholds, strict=True):
        figures["test"]["per_class"][label]["threshold"] = float(least)  # type: ignore[index]
    figures["calibration"] = calibrated(sample, temperature)
    figures["validation"] = sizes(validation) | by_metric(
        "multilabel", known_sample.probabilities, known, bins=BINS, thresholds=thresholds
    )
    drawn = {
        "roc": curves.roc(truth, sample.probabilities),
        "precision_recall": curves.precision_recall(truth, sample.probabilities),
    }
    return tidy(figures), curves.no_curves() | drawn | tables


def _most_frequent(seen: Matrix, notes: int) -> Matrix:
    """The training notes' most frequent label for every note, (notes, labels)."""
    guess = np.zeros((notes, seen.shape[1]), dtype=np.int64)
    guess[:, int(seen.sum(axis=0).argmax())] = 1
    return guess
