"""All figures of metrics/evaluate.json where a note has any number of labels; the counterpart of `assessment.py`."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from dxtune.evaluation import baseline, curves, multilabel, weighted
from dxtune.evaluation.assessment import Figures, matrix, tidy
from dxtune.evaluation.bootstrap import bootstrap, with_interval
from dxtune.evaluation.checks import join_predictions
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import Matrix, fit_thresholds, multi_hot
from dxtune.evaluation.subgroups import assess_groups, by_group, find_groups
from dxtune.evaluation.weighted import Statistic
from dxtune.params import Params


def measure(
    notes: Mapping[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], thresholds: Floats, params: Params
) -> tuple[Figures, dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions.

    thresholds: (labels,), fitted on validation; those of the linear baseline are fitted there in the same way.
    """
    train = notes["train"].sort("note_id")
    validation, test = (join_predictions(notes[split], predictions, split) for split in ("validation", "test"))
    seen, known, truth = (multi_hot(frame["label_ids"], len(labels)) for frame in (train, validation, test))
    texts = [baseline.texts(frame) for frame in (validation, test)]
    for_thresholds, tfidf = baseline.tfidf_labels(baseline.texts(train), seen, texts, params.evaluate.seed)
    rivals = {"tfidf": tfidf >= fit_thresholds(known, for_thresholds), "majority": _most_frequent(seen, test.height)}

    figures = assess(test, truth, thresholds, rivals, labels, params)
    sizes = {"notes": validation.height, "patients": validation["patient_id"].n_unique()}
    figures["validation"] = sizes | multilabel.headline(known, matrix(validation, "probabilities"), thresholds)
    probabilities = matrix(test, "probabilities")
    drawn = {"roc": curves.roc(truth, probabilities), "precision_recall": curves.precision_recall(truth, probabilities)}
    return tidy(figures), curves.no_curves() | drawn


def assess(
    frame: pl.DataFrame, truth: Matrix, thresholds: Floats, rivals: Mapping[str, Matrix], labels: Sequence[str], params: Params
) -> Figures:
    """The figures under `test` (headline with intervals, labels, subgroups) and under `baseline`.

    frame: a row a note with `probabilities`; rivals: who gets which label by `tfidf` and by `majority`.
    """
    columns, settings = params.collect.subgroup_columns, params.evaluate
    probabilities, size = matrix(frame, "probabilities"), len(labels)
    guess, groups = probabilities >= thresholds, find_groups(frame, columns)
    statistics = headline(truth, probabilities, thresholds)
    statistics |= {f"tfidf_{name}": value for name, value in _f1(truth, rivals["tfidf"]).items()}
    statistics |= by_group(groups, statistics["micro_f1"])
    drawn = bootstrap(statistics, frame["patient_id"].to_numpy(), settings.bootstrap_resamples, settings.seed)

    def of_group(rows: pl.DataFrame) -> dict[str, float]:
        own, said = multi_hot(rows["label_ids"], size), matrix(rows, "probabilities") >= thresholds
        return {"micro_f1": multilabel.micro_f1(own, said), "macro_f1": multilabel.macro_f1(own, said)}

    test: Figures = {"resamples": settings.bootstrap_resamples}
    test |= {"notes": frame.height, "patients": frame["patient_id"].n_unique()}
    for name, value in multilabel.headline(truth, probabilities, thresholds).items():
        test |= with_interval(name, value, drawn[name])
    by_label = zip(labels, thresholds, *multilabel.per_label(truth, guess), strict=True)
    test["per_class"] = {
        label: {"threshold": float(least), "precision": float(precision), "recall": float(recall), "notes": int(count)}
        | with_interval("f1", float(f1), drawn["class_f1"][:, index])
        for index, (label, least, precision, recall, f1, count) in enumerate(by_label)
    }
    test["subgroups"] = assess_groups(frame, groups, columns, of_group, drawn)

    beside: Figures = {}
    for name, measured in (("micro_f1", multilabel.micro_f1), ("macro_f1", multilabel.macro_f1)):
        linear = measured(truth, rivals["tfidf"])
        beside |= with_interval(f"tfidf_{name}", linear, drawn[f"tfidf_{name}"])
        gain = measured(truth, guess) - linear
        beside |= with_interval(f"difference_{name}", gain, drawn[name] - drawn[f"tfidf_{name}"])
        beside[f"majority_{name}"] = measured(truth, rivals["majority"])
    return {"test": test, "baseline": beside}


def headline(truth: Matrix, probabilities: Floats, thresholds: Floats) -> dict[str, Statistic]:
    """The statistics of all metrics of `multilabel.headline` by name under row weights, and `class_f1`."""
    guess = probabilities >= thresholds
    exact = (truth == guess).all(axis=1).astype(np.float64)
    return {
        **_f1(truth, guess),
        "micro_auroc": micro_auroc(truth, probabilities),
        "macro_auroc": weighted.macro_auroc(truth, probabilities),
        "macro_auprc": weighted.macro_auprc(truth, probabilities),
        "exact_match": weighted.mean(exact),
        "class_f1": weighted.f1_of(truth.astype(np.float64), guess.astype(np.float64)),
    }


def micro_auroc(truth: Matrix, probabilities: Floats) -> Statistic:
    """A statistic (resamples,): the area under the ROC curve of all decisions pooled; ties count half.

    A resample at a time: there are as many decisions as notes times labels, and all at once would not fit into memory.
    """
    order, starts = weighted.ties(probabilities.ravel())
    note, positive = order // truth.shape[1], truth.ravel()[order].astype(np.float64)

    def one(weights: Floats) -> float:
        ranked = weights[note]
        with_label = np.add.reduceat(ranked * positive, starts)
        without = np.add.reduceat(ranked, starts) - with_label
        wins = with_label @ (np.cumsum(without) - 0.5 * without)
        pairs = with_label.sum() * without.sum()
        return float(wins / pairs) if pairs > 0 else float("nan")

    return lambda weights: np.array([one(row) for row in weights])


def _f1(truth: Matrix, guess: Matrix) -> dict[str, Statistic]:
    by_label = weighted.f1_of(truth.astype(np.float64), guess.astype(np.float64))
    right, marked = 2.0 * (truth * guess).sum(axis=1), (truth + guess.astype(np.int64)).sum(axis=1).astype(np.float64)
    return {
        "micro_f1": lambda weights: weighted.ratio(weights @ right, weights @ marked),
        "macro_f1": lambda weights: weighted.nanmean(by_label(weights)),
    }


def _most_frequent(seen: Matrix, notes: int) -> Matrix:
    """The training notes' most frequent label for every note, (notes, labels)."""
    guess = np.zeros((notes, seen.shape[1]), dtype=np.int64)
    guess[:, int(seen.sum(axis=0).argmax())] = 1
    return guess
