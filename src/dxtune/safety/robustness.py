"""What a model's answers are worth when the same notes are written otherwise, beside what they were."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.assessment import Figures, matrix
from dxtune.evaluation.bootstrap import bootstrap, rare_strata, with_interval
from dxtune.evaluation.headline import Sample, several, single
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import multi_hot
from dxtune.evaluation.rates import counts_of, macro, rates
from dxtune.evaluation.subgroups import SMALLEST_GROUP
from dxtune.evaluation.weighted import Statistic, mean, together
from dxtune.params import Evaluate

SHOWN = ("macro_f1", "drop", "changed_share", "touched_share")
TABLE = {
    "perturbation": pl.String,
    **dict.fromkeys((f"{name}{end}" for name in SHOWN for end in ("", "_low", "_high")), pl.Float64),
}


def robustness(
    test: pl.DataFrame, others: Mapping[str, pl.DataFrame], settings: Mapping[str, Any], how: Evaluate
) -> tuple[Figures, pl.DataFrame]:
    """The macro-F1 of the test notes, and for each perturbation its own, the drop and the share of other answers; and a table.

    test: a row a note with its labels' ids and `probabilities`, sorted by note_id. others: by perturbation the probabilities of
    the notes that it changes; those of all others stay as they are. settings: of the model. One set of patient resamples serves
    all intervals, so the drops are paired. A perturbation that changes the notes of fewer than ten patients shows no figures.
    """
    if test["patient_id"].n_unique() < SMALLEST_GROUP:
        return {"patients_below_10": 1}, no_robustness()
    patients, own = test["patient_id"].to_numpy(), _sample(test, settings)
    statistics: dict[str, Statistic] = {"macro_f1": _macro_f1(own, own)}
    for name, made in others.items():
        touched = test["note_id"].is_in(made["note_id"].implode())
        if test.filter(touched)["patient_id"].n_unique() >= SMALLEST_GROUP:
            statistics |= _beside(own, _sample(_with(test, made), settings), name)
            statistics[f"{name} touched_share"] = mean(touched.to_numpy().astype(np.float64))
    measure = together(statistics)
    drawn = bootstrap(measure, patients, how.bootstrap_resamples, strata=rare_strata(own.truth, patients))
    once = {name: float(value[0]) for name, value in measure(np.ones((1, test.height))).items()}

    figures: Figures = {"patients": test["patient_id"].n_unique(), "notes": test.height}
    figures |= with_interval("macro_f1", once["macro_f1"], drawn["macro_f1"])
    for name in others:
        if f"{name} drop" not in once:
            figures[name] = {"patients_below_10": 1}
            continue
        found: Figures = {}
        for each in SHOWN:
            found |= with_interval(each, once[f"{name} {each}"], drawn[f"{name} {each}"])
        figures[name] = found
    return figures, _table(figures, list(others))


def no_robustness() -> pl.DataFrame:
    """The table without a row: dvc.yaml names its file for every task."""
    return pl.DataFrame(schema=TABLE)


def _sample(frame: pl.DataFrame, settings: Mapping[str, Any]) -> Sample:
    probabilities = matrix(frame, "probabilities")
    if "label_ids" in frame.columns:
        truth = multi_hot(frame["label_ids"], probabilities.shape[1])
        return several(truth, probabilities, np.array(settings["thresholds"]))
    return single(frame["label_id"].to_numpy(), probabilities)


def _with(test: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """The test notes with the probabilities that were made anew in the place of theirs."""
    new = test.join(made.select("note_id", new="probabilities"), on="note_id", how="left", maintain_order="left")
    return new.with_columns(pl.coalesce("new", "probabilities").alias("probabilities"))


def _beside(own: Sample, other: Sample, name: str) -> dict[str, Statistic]:
    before, after = _macro_f1(own, own), _macro_f1(own, other)
    return {
        f"{name} macro_f1": after,
        f"{name} drop": lambda weights: before(weights) - after(weights),
        f"{name} changed_share": mean((own.guess != other.guess).any(axis=1).astype(np.float64)),
    }


def _macro_f1(truth: Sample, guess: Sample) -> Statistic:
    counts = counts_of(truth.truth, guess.guess)

    def statistic(weights: Floats) -> Floats:
        return macro(rates(counts(weights)))["macro_f1"]

    return statistic


def _table(figures: Figures, names: Sequence[str]) -> pl.DataFrame:
    shown = [{"perturbation": name, **figures[name]} for name in names if "drop" in figures[name]]  # type: ignore[operator, dict-item]
    rows = [{column: row.get(column) for column in TABLE} for row in shown]
    return pl.DataFrame(rows, schema=TABLE).with_columns(pl.selectors.float().fill_nan(None).round(6))
