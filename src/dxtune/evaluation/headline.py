"""All figures of a set of notes under any weights: for points, intervals, patients counted alike, and subgroups."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dxtune.evaluation.bootstrap import Measure
from dxtune.evaluation.calibration import line_of
from dxtune.evaluation.metrics import Floats, Labels, indicators
from dxtune.evaluation.multilabel import Matrix, f1_of_notes
from dxtune.evaluation.ranking import areas, pooled_areas
from dxtune.evaluation.rates import counts_of, macro, mcc, micro_f1, rates
from dxtune.evaluation.weighted import calibration_error, means

AT_K = (1, 3, 5)
"""Of the k likeliest labels of a note, the share that it has: precision at k."""


class Sample(NamedTuple):
    """Who has a class, who is said to have it, and how likely the model finds it: each (notes, classes)."""

    truth: Matrix
    guess: Matrix
    probabilities: Floats
    single: bool
    """Each note has one class and gets one."""

    def rows(self, some: npt.NDArray[Any]) -> "Sample":
        """The sample of some notes alone."""
        return Sample(self.truth[some], self.guess[some], self.probabilities[some], self.single)

    @property
    def first(self) -> str:
        """The figure that a report begins with."""
        return "accuracy" if self.single else "micro_f1"


def single(labels: Labels, probabilities: Floats) -> Sample:
    """Of notes with one class each: the likeliest one is said, the lowest id among equals."""
    classes = probabilities.shape[1]
    likeliest = probabilities.argmax(axis=1) if classes else np.empty(0, dtype=int)
    return Sample(indicators(labels, classes), indicators(likeliest, classes), probabilities, single=True)


def several(truth: Matrix, probabilities: Floats, thresholds: Floats) -> Sample:
    """Of notes with any number of classes: those are said whose probability reaches the threshold."""
    return Sample(np.asarray(truth, dtype=bool), probabilities >= thresholds, probabilities, single=False)


def measure(sample: Sample, bins: int) -> Measure:
    """A function from weights (resamples, notes) to the headline figures, (resamples,), and by class, (resamples, classes).

    The names of the latter begin with `class_`. What a resample does not define is NaN.
    """
    counts, curve = counts_of(sample.truth, sample.guess), areas(sample.truth, sample.probabilities)
    pooled, line = pooled_areas(sample.truth, sample.probabilities), line_of(sample.truth, sample.probabilities)
    confidence, right = believed(sample)
    error, of_notes = calibration_error(confidence, right, bins), _of_notes(sample, confidence, right)
    average = means(np.stack(list(of_notes.values()), axis=1))

    def values(weights: Floats) -> dict[str, Floats]:
        counted, ranked, lined = counts(weights), curve(weights), line(weights)
        by_class = rates(counted) | {"auroc": ranked[:, 0], "auprc": ranked[:, 1]}
        found = {sample.first: micro_f1(counted), **macro(by_class)}
        if sample.single:
            found |= {"micro_f1": found["accuracy"], "mcc": mcc(counted)}
        else:
            found |= dict(zip(("micro_auroc", "micro_auprc"), pooled(weights)[:, :, 0].T, strict=True))
        found |= dict(zip(of_notes, average(weights).T, strict=True))
        found |= {"ece": error(weights), "calibration_slope": lined[:, 0], "calibration_intercept": lined[:, 1]}
        return found | {f"class_{name}": each for name, each in by_class.items()} | {"class_notes": counted[:, 2]}

    return values


def points(sample: Sample, bins: int) -> dict[str, float]:
    """The headline figures of the notes themselves, each counting once."""
    values = measure(sample, bins)(np.ones((1, len(sample.truth))))
    return {name: float(value[0]) for name, value in values.items() if not name.startswith("class_")}


def believed(sample: Sample) -> tuple[Floats, Floats]:
    """How sure the model is, and whether it is right: of each note's likeliest class, (notes,); or of each of its labels."""
    if not sample.single:
        return sample.probabilities, np.asarray(sample.truth, dtype=np.float64)
    return sample.probabilities.max(axis=1, initial=0), (sample.truth & sample.guess).sum(axis=1).astype(np.float64)


def answers_of(sample: Sample) -> tuple[Floats, Floats]:
    """How sure the model is of each note's whole answer, and how right that is, 0 to 1; both (notes,).

    Of one class: its probability, and 1 or 0. Of several labels: the probability that every decision is right, labels taken to
    be independent, and the F1 of the note's labels: with many labels, hardly a note has them all.
    """
    if sample.single:
        return believed(sample)
    decided = np.where(sample.guess, sample.probabilities, 1 - sample.probabilities)
    return decided.prod(axis=1), f1_of_notes(sample.truth, sample.guess)


def _of_notes(sample: Sample, confidence: Floats, right: Floats) -> dict[str, Floats]:
    """What is a mean over notes, by name, (notes,)."""
    wrong = np.square(sample.probabilities - sample.truth)
    if sample.single:
        return {"brier": wrong.sum(axis=1), "overconfidence": confidence - right}
    found = {"exact_match": (sample.truth == sample.guess).all(axis=1).astype(np.float64)}
    ranked = np.take_along_axis(sample.truth, np.argsort(-sample.probabilities, axis=1, kind="stable"), axis=1)
    found |= {f"precision_at_{k}": ranked[:, :k].mean(axis=1) for k in AT_K if k <= ranked.shape[1]}
    return found | {"brier": wrong.mean(axis=1), "overconfidence": (confidence - right).mean(axis=1)}
