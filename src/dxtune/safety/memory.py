"""What a model's weights tell of the patients that it learned from, beside patients that it never saw.

Both figures compare the training and the test patients, so a difference between these that is none of memory, such as later
years or another site, shows in them, too.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.evaluation.assessment import Figures
from dxtune.evaluation.bootstrap import Measure, bootstrap, with_interval
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.ranking import areas
from dxtune.evaluation.weighted import mean
from dxtune.params import Evaluate
from dxtune.records import SMALLEST_GROUP

SIDES = ("train", "test")
PATIENTS = 150
"""Of each side, at the most: more would narrow the intervals, and take longer."""


def choose(tokens: pl.DataFrame, patients: int, seed: int) -> pl.DataFrame:
    """The rows of so many patients at the most, drawn by the seed, in their order.

    >>> rows = pl.DataFrame({"patient_id": ["c", "a", "b", "a"]})
    >>> choose(rows, 3, seed=0).equals(rows), choose(rows, 2, seed=0)["patient_id"].n_unique()
    (True, 2)
    """
    names = tokens["patient_id"].unique().sort()
    some = np.random.default_rng(seed).permutation(len(names))[:patients]
    return tokens.filter(pl.col("patient_id").is_in(names[some].implode()))


def membership(losses: Mapping[str, pl.DataFrame], how: Evaluate) -> Figures:
    """How well the loss tells training patients from test patients: the area under the ROC curve with its interval; 0.5: not.

    losses: of each split `patient_id` and `loss`, a row a note; a patient's loss is the mean over the notes. The attack says
    "seen in training" where the loss is low (Yeom et al. 2018, doi:10.1109/CSF.2018.00027).
    """
    values, seen, patients = _by_patient(losses, "loss")
    area = areas(seen[:, None], -values[:, None])
    return _figures(lambda weights: {"auc": area(weights)[:, 0, 0]}, seen, patients, how)


def extraction(completed: Mapping[str, pl.DataFrame], how: Evaluate) -> Figures:
    """The share of training responses that the model goes on with word by word, that of test responses, and the difference.

    completed: of each split `patient_id` and `verbatim`. What a model never saw it can only guess, so the difference is what it
    knows by heart.
    """
    return _beside(completed, "verbatim", ("train_share", "test_share"), how)


def exposure(bits: Mapping[str, pl.DataFrame], how: Evaluate) -> Figures:
    """The mean bits by which canaries that were trained on are exposed, those of others, and the difference.

    bits: of `tasks.canaries.exposures`, a canary as a patient: its interval is over canaries.
    """
    found = _beside(bits, "exposure", ("trained", "unseen"), how)
    return {"canaries": found.pop("train_patients")} | {key: value for key, value in found.items() if key != "test_patients"}


def _beside(frames: Mapping[str, pl.DataFrame], column: str, names: tuple[str, str], how: Evaluate) -> Figures:
    """The means of a column over patients of both splits, under two names, and their `difference`."""
    values, seen, patients = _by_patient(frames, column)
    average = mean(values)

    def measure(weights: Floats) -> dict[str, Floats]:
        train, test = average(weights * seen), average(weights * ~seen)
        return {names[0]: train, names[1]: test, "difference": train - test}

    return _figures(measure, seen, patients, how)


def _by_patient(frames: Mapping[str, pl.DataFrame], column: str) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.str_]]:
    """Of each patient the mean of a column, whether training saw the patient, and the id."""
    train, test = (
        frames[split].sort("patient_id").group_by("patient_id", maintain_order=True).agg(pl.col(column).cast(pl.Float64).mean())
        for split in SIDES
    )
    both = pl.concat([train, test])
    seen = np.repeat([True, False], [train.height, test.height])
    return both[column].to_numpy(), seen, both["patient_id"].to_numpy()


def _figures(measure: Measure, seen: npt.NDArray[np.bool_], patients: npt.NDArray[np.str_], how: Evaluate) -> Figures:
    """How many patients there are, and what is measured of them with intervals; nothing with fewer than ten on a side."""
    found: Figures = {"train_patients": int(seen.sum()), "test_patients": int((~seen).sum())}
    if min(seen.sum(), (~seen).sum()) < SMALLEST_GROUP:
        return {"patients_below_10": 1}
    drawn = bootstrap(measure, patients, how.bootstrap_resamples)
    for name, value in measure(np.ones((1, len(seen)))).items():
        found |= with_interval(name, float(value[0]), drawn[name])
    return found
