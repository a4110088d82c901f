"""One figure broken down by columns such as sex or site, each group with its interval."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from dxtune.errors import DataError
from dxtune.evaluation.bootstrap import with_interval
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.weighted import Statistic

SMALLEST_GROUP = 10  # patients; figures of smaller groups could point at persons


class Group(NamedTuple):
    """The rows (a mask) that have a value in a column."""

    column: str
    value: str
    rows: pl.Series


def find_groups(frame: pl.DataFrame, columns: Sequence[str]) -> list[Group]:
    """Every subgroup, sorted by column and value; an absent value is a group of its own.

    Raises DataError where a column is missing.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"collect.subgroup_columns names {missing}, which data/processed/test has not: correct it and run dvc repro"
        )
    filled = frame.with_columns(pl.col(columns).cast(pl.String).fill_null("not recorded")) if columns else frame
    return [Group(column, value, filled[column] == value) for column in columns for value in filled[column].unique().sort()]


def by_group(groups: Sequence[Group], statistic: Statistic) -> dict[str, Statistic]:
    """A statistic within each group, by the names under which `assess_groups` looks for what was drawn."""
    return {f"group_{number}": _within(group.rows, statistic) for number, group in enumerate(groups)}


def assess_groups(
    frame: pl.DataFrame,
    groups: Sequence[Group],
    columns: Sequence[str],
    measure: Callable[[pl.DataFrame], dict[str, float]],
    drawn: Mapping[str, Floats],
) -> dict[str, dict[str, dict[str, object]]]:
    """The figures of every group by column and value, or only that it is too small to show them.

    measure: figures of some rows; the first one is what `by_group` drew, and has its interval.
    """
    found: dict[str, dict[str, dict[str, object]]] = {column: {} for column in columns}
    for number, group in enumerate(groups):
        rows = frame.filter(group.rows)
        patients = rows["patient_id"].n_unique()
        if patients < SMALLEST_GROUP:
            found[group.column][group.value] = {"patients_below_10": 1}
            continue
        (name, value), *others = measure(rows).items()
        figures: dict[str, object] = {"notes": rows.height, "patients": patients, **dict(others)}
        found[group.column][group.value] = figures | with_interval(name, value, drawn[f"group_{number}"])
    return found


def _within(mask: pl.Series, statistic: Statistic) -> Statistic:
    rows = mask.to_numpy().astype(np.float64)
    return lambda weights: statistic(weights * rows)
