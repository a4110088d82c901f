"""Percentile intervals by resampling patients, not rows.

Several notes of one patient are alike, so resampling rows makes intervals too narrow. Here patients are drawn with
replacement and all notes of a patient come with them: the cluster bootstrap (Field and Welsh 2007,
doi:10.1111/j.1467-9868.2007.00593.x). A resample is a weight for each row, the times that its patient was drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.weighted import Statistic

CELLS = 2_000_000  # weights held at once: 16 MB, and as much for each step of a statistic


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval, and the resamples that did not define the value (left out of it)."""

    low: float
    high: float
    undefined: int


def patient_weights(patients: npt.ArrayLike, resamples: int, seed: int, cells: int = CELLS) -> Iterator[Floats]:
    """Weights of the rows, (resamples in this chunk, rows) at a time: how often each row's patient was drawn.

    Which patients are drawn depends on the sorted set of patients and the seed alone, not on the chunks.

    >>> weights, = patient_weights(["a", "b", "a"], resamples=2, seed=0)
    >>> weights.shape, bool((weights[:, 0] == weights[:, 2]).all())
    ((2, 3), True)
    """
    names, codes = np.unique(np.asarray(patients), return_inverse=True)
    random = np.random.default_rng(seed)
    at_once = max(1, cells // max(len(codes), 1))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = random.integers(len(names), size=(size, len(names)))
        drawn += np.arange(size)[:, None] * len(names)
        counts = np.bincount(drawn.ravel(), minlength=size * len(names)).reshape(size, len(names))
        yield counts.astype(np.float64)[:, codes]


def bootstrap(statistics: Mapping[str, Statistic], patients: npt.ArrayLike, resamples: int, seed: int) -> dict[str, Floats]:
    """The values of each statistic in every resample, (resamples, ...). All see the same resamples: differences are paired."""
    chunks = [
        {name: statistic(weights) for name, statistic in statistics.items()}
        for weights in patient_weights(patients, resamples, seed)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in statistics}


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
