"""Percentile intervals by resampling patients, not rows.

Several notes of one patient are alike, so resampling rows makes intervals too narrow. Here patients are drawn with
replacement and all notes of a patient come with them: the cluster bootstrap (Field and Welsh 2007,
doi:10.1111/j.1467-9868.2007.00593.x). A resample is a weight for each row, the times that its patient was drawn.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from dxtune.evaluation.metrics import Floats, Labels
from dxtune.evaluation.multilabel import Matrix

SEED = 13
"""Of the resamples, and of whatever else is drawn to measure a model: another one would be another way to measure."""
CELLS = 200_000  # weights held at once: 1.6 MB, so that what is made of them stays in the processor's cache
FEW = 10  # patients: a class of fewer is drawn from on its own, or too many resamples would be without it

Measure = Callable[[Floats], Mapping[str, Floats]]
"""Weights of the rows, (resamples, rows), to figures by name, (resamples, ...)."""


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval, and the resamples that did not define the value (left out of it)."""

    low: float
    high: float
    undefined: int


def patient_weights(
    patients: npt.ArrayLike, resamples: int, seed: int, strata: npt.ArrayLike | None = None, cells: int = CELLS
) -> Iterator[Floats]:
    """Weights of the rows, (resamples in this chunk, rows) at a time: how often each row's patient was drawn.

    strata: of `rare_strata`, the same for all rows of a patient. Of the common one, 0, as many patients are drawn as it has; of
    another with n, n - 1 with weight n / (n - 1), as drawing n would make the spread of few patients (n - 1) / n of what it is
    (Rao and Wu 1988, doi:10.1080/01621459.1988.10478591). Who is drawn depends on the sorted set of patients, their strata and
    the seed alone, not on the chunks.

    >>> weights, = patient_weights(["a", "b", "a"], resamples=2, seed=0)
    >>> weights.shape, bool((weights[:, 0] == weights[:, 2]).all())
    ((2, 3), True)
    """
    names, first, codes = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
    stratum = np.zeros(len(names), dtype=int) if strata is None else np.asarray(strata)[first]
    members = [np.flatnonzero(stratum == each) for each in np.unique(stratum)]
    draws = [len(some) - bool(stratum[some[0]]) for some in members]
    scale = np.empty(len(names))
    for some, times in zip(members, draws, strict=True):
        scale[some] = len(some) / times
    random = np.random.default_rng(seed)
    own_rows = len(names) == len(codes) and bool((codes == np.arange(len(codes))).all())
    at_once = max(1, cells // max(len(codes), 1))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        offsets = np.arange(size)[:, None] * len(names)
        drawn = [
            some[random.integers(len(some), size=(size, times))] + offsets for some, times in zip(members, draws, strict=True)
        ]
        counts = np.bincount(np.hstack(drawn).ravel(), minlength=size * len(names)).reshape(size, len(names))
        weights = counts * scale
        yield weights if own_rows else weights[:, codes]


def rare_strata(truth: Matrix, patients: npt.ArrayLike) -> Labels:
    """The stratum of each row's patient: 0, or 1 + the rarest of its classes that has two patients or more, but few.

    truth: 0 and 1, (rows, classes). With a common stratum alone, a class of five patients is missing from one resample in 150.
    One patient alone is drawn among all: nothing is known of how others of its class would differ.

    >>> rare_strata(np.array([[1, 0, 0]] * 10 + [[0, 1, 0]] * 2 + [[0, 0, 1]]), np.arange(13)).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0]
    """
    names, codes = np.unique(np.asarray(patients), return_inverse=True)
    has = np.zeros((len(names), truth.shape[1]), dtype=bool)
    np.logical_or.at(has, codes, np.asarray(truth, dtype=bool))
    holders = has.sum(axis=0)
    size = np.where(has & (holders > 1) & (holders < FEW), holders, len(names) + FEW)
    rarest = size.argmin(axis=1)
    strata: Labels = np.where(size.min(axis=1) < FEW, rarest + 1, 0)
    alone = np.bincount(strata) == 1  # the others of its class are in a stratum of a rarer one
    strata[alone[strata]] = 0
    return strata[codes]


def bootstrap(
    measure: Measure, patients: npt.ArrayLike, resamples: int, seed: int = SEED, strata: npt.ArrayLike | None = None
) -> dict[str, Floats]:
    """The figures of every resample, (resamples, ...). All see the same resamples: differences are paired."""
    with threadpool_limits(1):  # sums in another order would give other digits; and small products wait for their threads
        chunks = [measure(weights) for weights in patient_weights(patients, resamples, seed, strata)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def interval(values: Floats) -> Interval:
    """The 2.5 and 97.5 percentiles of what the resamples defined; NaN where none did.

    >>> interval(np.array([1.0, 2.0, 3.0, np.nan]))
    Interval(low=1.05, high=2.95, undefined=1)
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Interval(float("nan"), float("nan"), len(values))
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(float(low), float(high), len(values) - len(defined))


def with_interval(name: str, value: float, drawn: Floats) -> dict[str, object]:
    """The value, the ends of its interval, and in how many resamples it was undefined, where in any.

    >>> with_interval("f1", 2.0, np.array([1.0, 2.0, 3.0]))
    {'f1': 2.0, 'f1_low': 1.05, 'f1_high': 2.95}
    """
    found = interval(drawn)
    undefined: dict[str, object] = {f"{name}_undefined_resamples": found.undefined} if found.undefined else {}
    return {name: value, f"{name}_low": found.low, f"{name}_high": found.high, **undefined}
