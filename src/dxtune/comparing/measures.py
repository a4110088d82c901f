"""What is measured of each task on both sides: its headline metrics as statistics of row weights, and which notes are right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from dxtune.comparing.revisions import Side
from dxtune.evaluation import multilabel_assessment, weighted
from dxtune.evaluation.answers_assessment import METRICS, scored
from dxtune.evaluation.assessment import matrix
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import multi_hot
from dxtune.evaluation.weighted import Statistic

LOWER_IS_BETTER = frozenset(["brier", "ece", "perplexity"])
MAIN = {"classification": "accuracy", "multilabel": "micro_f1", "question-answering": "token_f1", "generation": "rouge_l"}
"""Of each task the metric by which subgroups are compared: the one that has its interval in metrics/evaluate.json."""


@dataclass(frozen=True)
class Measured:
    """statistics: weights (resamples, notes) in, values (resamples,) out, by name. right: (notes,), 1, 0 or NaN: neither."""

    statistics: Mapping[str, Statistic]
    right: Floats


def measure(side: Side, labels: Sequence[str], bins: int) -> Measured:
    """The metrics of one side. labels: of both sides; one that the side does not know has probability 0 and is never given."""
    return TASKS[side.task](side, labels, bins)


def _classification(side: Side, labels: Sequence[str], bins: int) -> Measured:
    probabilities = aligned(matrix(side.notes, "probabilities"), side.labels, labels, 0.0)
    truth = np.array([labels.index(label) for label in side.notes["label"]])
    statistics = weighted.headline(truth, probabilities, bins)
    return Measured(_totals(statistics), (probabilities.argmax(axis=1) == truth).astype(np.float64))


def _multilabel(side: Side, labels: Sequence[str], bins: int) -> Measured:
    probabilities = aligned(matrix(side.notes, "probabilities"), side.labels, labels, 0.0)
    thresholds = aligned(np.array([side.settings["thresholds"]]), side.labels, labels, np.inf)[0]
    truth = multi_hot([[labels.index(label) for label in given] for given in side.notes["labels"]], len(labels))
    statistics = multilabel_assessment.headline(truth, probabilities, thresholds)
    return Measured(_totals(statistics), (truth == (probabilities >= thresholds)).all(axis=1).astype(np.float64))


def _question_answering(side: Side, labels: Sequence[str], bins: int) -> Measured:
    scores = scored(side.notes, side.settings["no_answer"])
    statistics = {name: weighted.mean(scores[name].to_numpy()) for name in METRICS}
    return Measured(statistics, scores["exact_match"].to_numpy())


def _generation(side: Side, labels: Sequence[str], bins: int) -> Measured:
    from dxtune.tasks.responses import mean, perplexity, score  # loads the de-identifier

    scores = score(side.notes["answer"].to_list(), side.notes["response"].to_list())
    statistics = {name: mean(values) for name, values in scores.items()} | {"perplexity": perplexity(side.notes)}
    return Measured(statistics, scores.get("exact", np.full(side.notes.height, np.nan)))


def aligned(values: Floats, own: Sequence[str], labels: Sequence[str], absent: float) -> Floats:
    """The columns of (rows, own labels) in the order of `labels`, (rows, labels); `absent` for those that are not its own.

    >>> aligned(np.array([[0.25, 0.75]]), ["b", "a"], ["a", "b", "c"], 0.0).tolist()
    [[0.75, 0.25, 0.0]]
    """
    made = np.full((len(values), len(labels)), absent)
    made[:, [labels.index(label) for label in own]] = values
    return made


def same_tokens(a: pl.DataFrame, b: pl.DataFrame) -> bool:
    """Whether both sides cut the references into as many tokens, note by note: else perplexities say nothing of each other."""
    return "tokens" not in a.columns or bool((a["tokens"] == b["tokens"]).all())


def _totals(statistics: Mapping[str, Statistic]) -> dict[str, Statistic]:
    return {name: statistic for name, statistic in statistics.items() if name != "class_f1"}


TASKS: Mapping[str, Callable[[Side, Sequence[str], int], Measured]] = {
    "classification": _classification,
    "multilabel": _multilabel,
    "question-answering": _question_answering,
    "generation": _generation,
}
