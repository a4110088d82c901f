"""For whom the model is wrong: a shallow tree over what is known of a note, grown on validation and measured on test.

The tree asks for metadata, length and how unlike training a note is, never for its words. Validation chooses the cohorts, so
that their figures on the test notes are not those of a lucky choice. No torch here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation import weighted
from dxtune.evaluation.bootstrap import SEED, bootstrap
from dxtune.evaluation.subgroups import assess_groups, by_group, find_groups, of_rows
from dxtune.records import SMALLEST_GROUP

DEPTH = 3
"""Questions that a cohort is the answer to, at the most."""
FIGURES = ("error", "low", "high", "gap", "gap_low", "gap_high")
TABLE = {
    "cohort": pl.String,
    **dict.fromkeys(("patients", "notes"), pl.Int64),
    **dict.fromkeys(("validation_error", *FIGURES), pl.Float64),
}
EVERYBODY = "all notes"
IS = " is "


def cohorts(
    validation: pl.DataFrame, test: pl.DataFrame, columns: Sequence[str], resamples: int
) -> tuple[dict[str, object], pl.DataFrame]:
    """Figures of the cohort that validation says is the worst, and a table of all: error, interval, gap to all other notes.

    validation, test: notes with `text`, `patient_id`, `columns`, how wrong each answer is (`mistake`, 0 to 1), and `unlike`
    where the task has it. Cohorts of fewer than ten patients are not shown; on validation the tree makes none.
    """
    if min(frame["patient_id"].n_unique() for frame in (validation, test)) < SMALLEST_GROUP:
        return {"cohorts": 0}, pl.DataFrame(schema=TABLE)
    asked = answers(validation, columns, SMALLEST_GROUP)
    grown = grow(asked, validation)
    rules = dict(leaves(grown.tree_, asked.columns))
    expected = {rule: float(grown.tree_.value[leaf].item()) for leaf, rule in rules.items()}
    known = answers(test, columns, 0)
    known = known.select(pl.col(name) if name in known.columns else pl.lit(0.0).alias(name) for name in asked.columns)
    frame = test.with_columns(pl.Series("cohort", [rules[leaf] for leaf in grown.apply(known.to_numpy()).tolist()]))

    groups = find_groups(frame, ["cohort"])
    of_groups = by_group(groups, of_rows(weighted.together({"error": weighted.mean(frame["mistake"].to_numpy())})))
    drawn = bootstrap(of_groups, frame["patient_id"].to_numpy(), resamples)
    _, measured = assess_groups(groups, ("error",), of_groups(np.ones((1, frame.height))), drawn)
    expects = pl.col("cohort").replace_strict(expected, return_dtype=pl.Float64).round(6).alias("validation_error")
    table = measured.rename({"value": "cohort", "figure": "error"}).with_columns(expects)
    table = table.select(list(TABLE)).sort("validation_error", "cohort", descending=[True, False])
    figures: dict[str, object] = {"cohorts": table.height}
    if table.height:
        worst = table.row(0, named=True)
        figures |= {f"worst_cohort_{name}": worst[name] for name in ("patients", *FIGURES) if worst[name] is not None}
    return figures, table


def answers(frame: pl.DataFrame, columns: Sequence[str], least: int) -> pl.DataFrame:
    """What a tree may ask of each note, as numbers: `words`, `unlike`, and 1 or 0 for each value of the columns.

    least: patients who have a value, and who have it not.

    >>> notes = pl.DataFrame({"patient_id": ["a", "b"], "text": ["no rash", "fever"], "sex": ["F", None]})
    >>> answers(notes, ["sex"], 1).to_dict(as_series=False)
    {'words': [2.0, 1.0], 'sex is F': [1.0, 0.0], 'sex is not recorded': [0.0, 1.0]}
    """
    words = pl.col("text").str.count_matches(r"\S+").cast(pl.Float64).alias("words")
    known = [words, *(pl.col(name).cast(pl.Float64) for name in ("unlike",) if name in frame.columns)]
    groups = [group for group in find_groups(frame, columns) if min(group.patients, group.others) >= least]
    has = [pl.Series(f"{group.column}{IS}{group.value}", group.rows, pl.Float64) for group in groups]
    return frame.select(*known, *has)


def grow(asked: pl.DataFrame, frame: pl.DataFrame) -> Any:
    """The regression tree of scikit-learn whose leaves tell mistakes apart best, each of at least ten patients.

    All notes of a patient together weigh 1, so a leaf of weight 10 has ten patients, however many notes they have.
    """
    from sklearn.tree import DecisionTreeRegressor

    share = 1 / frame.select(pl.len().over("patient_id")).to_series().to_numpy()
    patients = frame["patient_id"].n_unique()
    enough = patients >= 2 * SMALLEST_GROUP
    made = DecisionTreeRegressor(
        max_depth=DEPTH,
        min_weight_fraction_leaf=SMALLEST_GROUP / patients if enough else 0.0,
        min_samples_split=2 if enough else frame.height + 1,
        random_state=SEED,
    )
    return made.fit(asked.to_numpy(), frame["mistake"].to_numpy(), sample_weight=share)


def leaves(tree: Any, names: Sequence[str], node: int = 0, rule: dict[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """The number of each leaf and its rule in words, such as `sex is F and words above 120.5`."""
    rule = rule or {}
    if tree.children_left[node] < 0:
        yield node, " and ".join(rule.values()) or EVERYBODY
        return
    name, limit = names[tree.feature[node]], f"{tree.threshold[node]:.4g}"
    if IS in name:
        no, yes = ({name: name.replace(IS, f"{IS}not ", 1)}, {name: name})
    else:  # a second limit on the same side is the tighter one, and replaces the first
        no, yes = {f"{name} up": f"{name} up to {limit}"}, {f"{name} above": f"{name} above {limit}"}
    yield from leaves(tree, names, tree.children_left[node], rule | no)
    yield from leaves(tree, names, tree.children_right[node], rule | yes)
