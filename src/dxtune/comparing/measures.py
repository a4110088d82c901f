"""What is measured of each task on both sides: its headline metrics under row weights, and which notes are right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from dxtune.comparing.revisions import Side
from dxtune.comparing.show import IDEAL
from dxtune.evaluation import headline, weighted
from dxtune.evaluation.answers_assessment import METRICS, scored
from dxtune.evaluation.assessment import matrix
from dxtune.evaluation.bootstrap import Measure
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import multi_hot
from dxtune.evaluation.rates import counts_of, micro_f1
from dxtune.evaluation.texts import perplexity, score
from dxtune.evaluation.weighted import Statistic

MAIN = {"classification": "accuracy", "multilabel": "micro_f1", "question-answering": "token_f1", "generation": "rouge_l"}
"""Of each task the metric by which subgroups are compared: the first of metrics/evaluate.json."""


@dataclass(frozen=True)
class Measured:
    """One side under weights (resamples, notes).

    figures: all metrics, (resamples,) each, by name; main: the one of MAIN. right: (notes,), 1, 0 or NaN: neither.
    """

    figures: Measure
    main: Statistic
    right: Floats


def measure(side: Side, labels: Sequence[str], bins: int) -> Measured:
    """What one side is worth. labels: of both sides; one that the side does not know has probability 0 and is never given."""
    return TASKS[side.task](side, labels, bins)


def _classification(side: Side, labels: Sequence[str], bins: int) -> Measured:
    probabilities = aligned(matrix(side.notes, "probabilities"), side.labels, labels, 0.0)
    truth = np.array([labels.index(label) for label in side.notes["label"]])
    sample = headline.single(truth, probabilities)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    return Measured(_headline(sample, bins), weighted.mean(right), right)


def _multilabel(side: Side, labels: Sequence[str], bins: int) -> Measured:
    probabilities = aligned(matrix(side.notes, "probabilities"), side.labels, labels, 0.0)
    thresholds = aligned(np.array([side.settings["thresholds"]]), side.labels, labels, np.inf)[0]
    truth = multi_hot([[labels.index(label) for label in given] for given in side.notes["labels"]], len(labels))
    sample = headline.several(truth, probabilities, thresholds)
    right, counts = (sample.truth == sample.guess).all(axis=1).astype(np.float64), counts_of(sample.truth, sample.guess)
    return Measured(_headline(sample, bins), lambda weights: micro_f1(counts(weights)), right)


def _question_answering(side: Side, labels: Sequence[str], bins: int) -> Measured:
    scores = scored(side.notes, side.settings["no_answer"])
    statistics = {name: weighted.mean(scores[name].to_numpy()) for name in METRICS}
    return Measured(weighted.together(statistics), statistics["token_f1"], scores["exact_match"].to_numpy())


def _generation(side: Side, labels: Sequence[str], bins: int) -> Measured:
    scores = score(side.notes["answer"].to_list(), side.notes["response"].to_list())
    statistics = {name: weighted.mean_of_defined(values) for name, values in scores.items()} | {
        "perplexity": perplexity(side.notes)
    }
    right = scores.get("exact", np.full(side.notes.height, np.nan))
    return Measured(weighted.together(statistics), statistics["rouge_l"], right)


def _headline(sample: headline.Sample, bins: int) -> Measure:
    """The figures of metrics/evaluate.json but those by class; how far off, where neither more nor less is better."""
    own = headline.measure(sample, bins)

    def figures(weights: Floats) -> dict[str, Floats]:
        found = {name: value for name, value in own(weights).items() if not name.startswith("class_")}
        off = {f"{name}_error": np.abs(found.pop(name) - ideal) for name, ideal in IDEAL.items()}
        return found | off

    return figures


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


TASKS: Mapping[str, Callable[[Side, Sequence[str], int], Measured]] = {
    "classification": _classification,
    "multilabel": _multilabel,
    "question-answering": _question_answering,
    "generation": _generation,
}
