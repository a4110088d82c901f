"""Two sides on the same notes: every metric, the difference with its interval, what changed for subgroups and which notes.

The difference is paired: both sides are measured in the same resamples of patients (evaluation/bootstrap.py). Patients are
drawn without strata: a class of one patient, always drawn, would give its difference no width, and a verdict out of nothing.
"""

import dataclasses

import numpy as np
import polars as pl

from dxtune.comparing.measures import MAIN, measure, same_tokens
from dxtune.comparing.revisions import TRUTH, Side, read
from dxtune.comparing.show import LOWER_IS_BETTER, SMALL
from dxtune.errors import DataError
from dxtune.evaluation.assessment import Figures, fitting_bins, sizes, tidy
from dxtune.evaluation.bootstrap import bootstrap, with_interval
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.subgroups import find_groups
from dxtune.params import Params
from dxtune.records import SMALLEST_GROUP


def compare(a: str, b: str, params: Params, intersection: bool = False) -> Figures:
    """All that is to say about revision `b` beside revision `a`, by name; `show.py` prints it.

    params: how to measure (`evaluate`) and the subgroup columns; both sides are measured in the same way, whatever theirs were.
    intersection: leave out notes that only one has, or that have another label. Without it they raise DataError.
    """
    columns = params.collect.subgroup_columns
    return compare_sides(read(a, columns), read(b, columns), params, intersection)


def compare_sides(a: Side, b: Side, params: Params, intersection: bool = False) -> Figures:
    """The same of what was read."""
    a, b, left_out = pair(a, b, intersection)
    settings, columns, notes = params.evaluate, params.collect.subgroup_columns, b.notes
    labels, bins = sorted({*a.labels, *b.labels}), fitting_bins(notes)
    sides = {"a": measure(a, labels, bins), "b": measure(b, labels, bins)}
    groups = find_groups(notes, columns)

    def everything(weights: Floats) -> dict[str, Floats]:
        found = {f"{side} {name}": value for side, own in sides.items() for name, value in own.figures(weights).items()}
        for number, group in enumerate(groups):
            found |= {f"{side} group {number}": own.main(weights * group.rows) for side, own in sides.items()}
        return found

    patients = notes["patient_id"].to_numpy()
    drawn = bootstrap(everything, patients, settings.bootstrap_resamples)
    once = everything(np.ones((1, notes.height)))

    def of(name: str) -> Figures:
        own, other = float(once[f"a {name}"][0]), float(once[f"b {name}"][0])
        return difference(own, other, drawn[f"a {name}"], drawn[f"b {name}"], name in LOWER_IS_BETTER)

    names = [key.removeprefix("a ") for key in once if key.startswith("a ") and not key.startswith("a group ")]
    if not same_tokens(a.notes, b.notes):
        names.remove("perplexity")
    by_column: dict[str, Figures] = {column: {} for column in columns}
    for number, group in enumerate(groups):
        small = group.patients < SMALLEST_GROUP
        by_column[group.column][group.value] = dict(SMALL) if small else of(f"group {number}")
    figures: Figures = {"a": a.name, "b": b.name, "task": a.task, "subgroup_metric": MAIN[a.task], **sizes(notes)}
    figures |= {"resamples": settings.bootstrap_resamples, "left_out": left_out}
    figures |= {"metrics": {name: of(name) for name in names}, "subgroups": by_column}
    return tidy(figures | flips(notes, sides["a"].right, sides["b"].right))


def pair(a: Side, b: Side, intersection: bool) -> tuple[Side, Side, dict[str, Figures]]:
    """Both sides with the notes that are in both, in the same order, and how many were left out, why, of how many patients.

    Raises DataError where the tasks differ, where no note is in both, and where any is left out without `intersection`.
    """
    if a.task != b.task:
        raise DataError(f"{a.name} is for the task {a.task}, {b.name} for {b.task}: only models of one task can be compared")
    truth = TRUTH[a.task]
    both = a.notes.join(b.notes, on="note_id", suffix="_b")
    other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_b")) for name in ("patient_id", *truth))
    left = {
        "only_in_a": a.notes.join(b.notes, on="note_id", how="anti"),
        "only_in_b": b.notes.join(a.notes, on="note_id", how="anti"),
        "other_label_or_patient": both.filter(other),
    }
    kept = both.filter(~other).select("note_id")
    only_a, only_b, changed = (rows.height for rows in left.values())
    counts = (
        f"{only_a} notes only in {a.name}, {only_b} only in {b.name}, {changed} in both with another "
        f"{' or '.join(truth)} or patient"
    )
    if not kept.height:
        raise DataError(
            f"the test sets have no note in common: {counts}. Ids are pseudonyms: another source or de-identification key "
            "gives other ids, and then nothing can be paired; dvc metrics diff shows the figures of both"
        )
    if only_a + only_b + changed and not intersection:
        raise DataError(
            f"the test sets differ: {counts}. Figures of different notes cannot be paired: with --intersection, the "
            f"{kept.height} notes that are the same in both are compared"
        )
    left_out = {name: sizes(rows) for name, rows in left.items()}
    a, b = (dataclasses.replace(side, notes=side.notes.join(kept, on="note_id").sort("note_id")) for side in (a, b))
    return a, b, left_out


def difference(a: float, b: float, drawn_a: Floats, drawn_b: Floats, lower_is_better: bool) -> Figures:
    """Both values, b - a with its 95 % interval, and a verdict: where the interval holds 0 there is no evidence.

    >>> drawn = np.array([0.5, 0.5, 0.5])
    >>> difference(0.5, 0.75, drawn, drawn + [0.125, 0.25, 0.375], lower_is_better=False)["verdict"]
    'better'
    """
    figures = with_interval("difference", b - a, drawn_b - drawn_a)
    low, high = (float(figures[f"difference_{end}"]) for end in ("low", "high"))  # type: ignore[arg-type]
    verdict = "no evidence"  # of undefined ends, too
    if low > 0 or high < 0:
        verdict = "better" if (low > 0) != lower_is_better else "worse"
    return {"a": a, "b": b, **figures, "verdict": verdict}


def flips(notes: pl.DataFrame, right_a: Floats, right_b: Floats) -> Figures:
    """Which notes were right on one side alone, and McNemar's test of it; nothing where no note is right or wrong."""
    if not (np.isfinite(right_a) & np.isfinite(right_b)).any():
        return {}
    alone = {"only_a_right": (right_a == 1) & (right_b == 0), "only_b_right": (right_a == 0) & (right_b == 1)}
    found: Figures = {}
    for name, mask in alone.items():
        rows = notes.filter(pl.Series(mask))
        found[name] = {**sizes(rows), "note_ids": rows["note_id"].to_list()}
    p = mcnemar(*(int(mask.sum()) for mask in alone.values()))
    return {"flipped": found, "mcnemar_p": p}


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p value of McNemar's exact test: were as many right on one side alone as on the other?

    Source: McNemar 1947 (doi:10.1007/BF02295996), exact by the binomial distribution. It takes notes for independent.

    >>> mcnemar(1, 5)  # 2 (1 + 6) / 2^6
    0.21875
    """
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
