"""Figures broken down by columns such as sex or site: each group with its interval, and its gap to all other notes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.errors import DataError
from dxtune.evaluation.bootstrap import Measure, interval, with_interval
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.weighted import nanmean
from dxtune.records import SMALLEST_GROUP

TABLE = {
    **dict.fromkeys(("column", "value", "metric"), pl.String),
    **dict.fromkeys(("patients", "notes"), pl.Int64),
    **dict.fromkeys(("figure", "low", "high", "gap", "gap_low", "gap_high"), pl.Float64),
}


class Group(NamedTuple):
    """The rows (a mask) that have a value in a column, their patients, and the patients of all other rows."""

    column: str
    value: str
    rows: npt.NDArray[np.bool_]
    patients: int
    others: int


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
    found = []
    for column in columns:
        for value in filled[column].unique().sort():
            rows = (filled[column] == value).to_numpy()
            some, others = (frame.filter(mask)["patient_id"].n_unique() for mask in (rows, ~rows))
            found.append(Group(column, value, rows, some, others))
    return found


def by_group(groups: Sequence[Group], within: Callable[[npt.NDArray[np.bool_]], Measure]) -> Measure:
    """From weights to the figures of each group and of the rest, under the names that `assess_groups` looks for.

    within: the figures of some rows alone. Groups that are too small are left out.
    """
    parts: dict[str, Measure] = {}
    for number, group in enumerate(groups):
        if group.patients >= SMALLEST_GROUP:
            parts[f"group_{number}_"] = within(group.rows)
            if group.others >= SMALLEST_GROUP:
                parts[f"rest_{number}_"] = within(~group.rows)

    def measure(weights: Floats) -> dict[str, Floats]:
        return {f"{part}{name}": value for part, some in parts.items() for name, value in some(weights).items()}

    return measure


def of_rows(measure: Measure) -> Callable[[npt.NDArray[np.bool_]], Measure]:
    """`within` of by_group for figures that are 0 / 0, and so NaN, where all weights are 0."""
    return lambda rows: lambda weights: measure(weights * rows)


def assess_groups(
    groups: Sequence[Group], shown: Sequence[str], points: Mapping[str, Floats], drawn: Mapping[str, Floats]
) -> tuple[dict[str, Any], pl.DataFrame]:
    """The figures of every group by column and value, or only that it is too small; and a table of all its figures.

    shown: what metrics show, the first with its interval and its gap. points: of weights of 1; drawn: of the resamples.
    """
    found: dict[str, dict[str, dict[str, object]]] = {}
    rows = []
    for number, group in enumerate(groups):
        column = found.setdefault(group.column, {})
        if group.patients < SMALLEST_GROUP:
            column[group.value] = {"patients_below_10": 1}
            continue
        figures: dict[str, object] = {"notes": int(group.rows.sum()), "patients": group.patients}
        size = (group.patients, int(group.rows.sum()))
        own, all_own = _figures(points, f"group_{number}_"), _figures(drawn, f"group_{number}_")
        gaps, all_gaps = (_gaps(values, number) for values in (points, drawn))
        figures |= with_interval(shown[0], float(own[shown[0]][0]), all_own[shown[0]])
        figures |= {name: float(own[name][0]) for name in shown[1:]}
        figures |= {f"{name}_gap": float(gaps[name][0]) for name in ("equal_opportunity", "overconfidence") if name in gaps}
        if gaps:
            figures |= with_interval(f"{shown[0]}_gap", float(gaps[shown[0]][0]), all_gaps[shown[0]])
        column[group.value] = figures
        for name in {**own, **gaps}:
            value, gap = (_with_ends(some, all_some, name) for some, all_some in ((own, all_own), (gaps, all_gaps)))
            rows.append((group.column, group.value, name, *size, *value, *gap))
    return found, pl.DataFrame(rows, schema=TABLE, orient="row").with_columns(pl.selectors.float().fill_nan(None).round(6))


def worst_gap(groups: Mapping[str, Any], name: str) -> dict[str, object]:
    """How far the group that falls most behind the rest does so, `subgroup_gap` with its interval; empty without groups.

    It was chosen among several, so its gap is greater than another sample's would be.

    >>> worst_gap({"sex": {"F": {"f1_gap": -0.25, "f1_gap_low": -0.5, "f1_gap_high": 0.125}}}, "f1")
    {'subgroup_gap': 0.25, 'subgroup_gap_low': -0.125, 'subgroup_gap_high': 0.5}
    """
    gaps = [group for column in groups.values() for group in column.values() if f"{name}_gap" in group]
    if not gaps:
        return {}
    worst = min(gaps, key=lambda group: group[f"{name}_gap"])
    ends = {"": "", "_low": "_high", "_high": "_low"}
    return {f"subgroup_gap{end}": -worst[f"{name}_gap{other}"] for end, other in ends.items()}


def _figures(values: Mapping[str, Floats], part: str) -> dict[str, Floats]:
    """The figures of a group, without those by class."""
    own = {name.removeprefix(part): value for name, value in values.items() if name.startswith(part)}
    return {name: value for name, value in own.items() if not name.startswith("class_")}


def _gaps(values: Mapping[str, Floats], number: int) -> dict[str, Floats]:
    """What a group has more than the rest; `equal_opportunity`: of sensitivity, the mean over the classes of both."""
    own, rest = f"group_{number}_", f"rest_{number}_"
    gaps = {name: values[f"{own}{name}"] - value for name, value in _figures(values, rest).items()}
    if f"{rest}class_sensitivity" in values:
        gaps["equal_opportunity"] = nanmean(values[f"{own}class_sensitivity"] - values[f"{rest}class_sensitivity"])
    return gaps


def _with_ends(points: Mapping[str, Floats], drawn: Mapping[str, Floats], name: str) -> tuple[float | None, ...]:
    if name not in points:
        return None, None, None
    ends = interval(drawn[name])
    return float(points[name][0]), ends.low, ends.high
