"""What a model's answers are worth when the same notes are written otherwise, and at the site where they are worth least."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.evaluation.answers_assessment import scored
from dxtune.evaluation.assessment import Figures, matrix
from dxtune.evaluation.bootstrap import bootstrap, rare_strata, with_interval
from dxtune.evaluation.headline import Sample, several, single
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import Matrix, multi_hot
from dxtune.evaluation.rates import counts_of, macro, rates
from dxtune.evaluation.subgroups import by_group, find_groups, of_rows
from dxtune.evaluation.weighted import Statistic, mean, together
from dxtune.params import Evaluate
from dxtune.records import SMALLEST_GROUP

SITE = "site"
"""The subgroup column by whose values notes are of another site."""
PARTS = ("drop", "changed_share", "touched_share")
SHOWN = ("value", *PARTS)
TABLE = {
    "perturbation": pl.String,
    **dict.fromkeys((f"{name}{end}" for name in SHOWN for end in ("", "_low", "_high")), pl.Float64),
}


class Answers(NamedTuple):
    """What a model says of the test notes, and what that is worth."""

    figure: str
    """What it is worth in: macro_f1, token_f1, or log_likelihood, the mean nats of a token of the recorded response."""
    worth: Statistic
    said: npt.NDArray[Any] | None
    """(notes, parts): an answer is another one where a part differs; None: a likelihood is no answer."""
    truth: Matrix | None
    """(notes, labels), where there are labels."""


def judge(frame: pl.DataFrame, settings: Mapping[str, Any]) -> Answers:
    """What is said of notes, by what the frame has: `probabilities`, ends of a span, or the `loss` of a response."""
    if "loss" in frame.columns:
        return Answers("log_likelihood", mean(-frame["loss"].to_numpy()), None, None)
    if "start" in frame.columns:
        found = scored(frame, settings["no_answer"])
        return Answers("token_f1", mean(found["token_f1"].to_numpy()), found["said"].to_numpy()[:, None], None)
    sample = _sample(frame, settings)
    counts = counts_of(sample.truth, sample.guess)

    def worth(weights: Floats) -> Floats:
        return macro(rates(counts(weights)))["macro_f1"]

    return Answers("macro_f1", worth, sample.guess, sample.truth)


def robustness(
    test: pl.DataFrame, others: Mapping[str, pl.DataFrame], settings: Mapping[str, Any], how: Evaluate
) -> tuple[Figures, pl.DataFrame]:
    """What the answers to the test notes are worth, and for each perturbation the same, the drop and how many differ; a table.

    test: a row a note, sorted by note_id, as `judge` takes it. others: by perturbation the same of the notes that it changes;
    all others stay as they are. settings: of the model. `another_site`, where test has sites: the one that falls most behind
    the others. One set of patient resamples serves all intervals, so the drops of perturbations are paired. What is of fewer
    than ten patients shows no figures.
    """
    if test["patient_id"].n_unique() < SMALLEST_GROUP:
        return {"patients_below_10": 1}, no_robustness()
    patients, own = test["patient_id"].to_numpy(), judge(test, settings)
    statistics: dict[str, Statistic] = {own.figure: own.worth}
    for name, made in others.items():
        touched = test["note_id"].is_in(made["note_id"].implode())
        if test.filter(touched)["patient_id"].n_unique() >= SMALLEST_GROUP:
            statistics |= _beside(own, judge(_with(test, made), settings), name)
            statistics[f"{name} touched_share"] = mean(touched.to_numpy().astype(np.float64))
    of_notes = together(statistics)
    of_sites = by_group(find_groups(test, [SITE] if SITE in test.columns else []), of_rows(together({"": own.worth})))

    def everything(weights: Floats) -> dict[str, Floats]:
        return {**of_notes(weights), **of_sites(weights)}

    strata = None if own.truth is None else rare_strata(own.truth, patients)
    drawn = bootstrap(everything, patients, how.bootstrap_resamples, strata=strata)
    once = {name: float(value[0]) for name, value in everything(np.ones((1, test.height))).items()}

    figures: Figures = {"patients": test["patient_id"].n_unique(), "notes": test.height}
    figures |= with_interval(own.figure, once[own.figure], drawn[own.figure])
    for name in others:
        if f"{name} drop" not in once:
            figures[name] = {"patients_below_10": 1}
            continue
        found: Figures = {}
        for each in (own.figure, *(part for part in PARTS if f"{name} {part}" in once)):
            found |= with_interval(each, once[f"{name} {each}"], drawn[f"{name} {each}"])
        figures[name] = found
    figures |= another_site(own.figure, once, drawn)
    return figures, _table(figures, own.figure, list(others))


def another_site(figure: str, once: Mapping[str, float], drawn: Mapping[str, Floats]) -> Figures:
    """What the answers are worth at the site that falls most behind all others, and the drop; nothing with fewer than two.

    It was chosen among several, so its drop is greater than another sample's would be.
    """
    drops = {
        name.removeprefix("rest_"): once[name] - once[name.replace("rest", "group")] for name in once if name[:5] == "rest_"
    }
    if not drops:
        return {}
    worst = max(drops, key=drops.__getitem__)
    own, rest = f"group_{worst}", f"rest_{worst}"
    found = with_interval(figure, once[own], drawn[own])
    return {"another_site": found | with_interval("drop", drops[worst], drawn[rest] - drawn[own])}


def no_robustness() -> pl.DataFrame:
    """The table without a row: dvc.yaml names its file whatever was measured."""
    return pl.DataFrame(schema=TABLE)


def _sample(frame: pl.DataFrame, settings: Mapping[str, Any]) -> Sample:
    probabilities = matrix(frame, "probabilities")
    if "label_ids" in frame.columns:
        truth = multi_hot(frame["label_ids"], probabilities.shape[1])
        return several(truth, probabilities, np.array(settings["thresholds"]))
    return single(frame["label_id"].to_numpy(), probabilities)


def _with(test: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """The test notes with those that were made anew in the place of theirs."""
    kept = test.join(made, on="note_id", how="anti")
    return pl.concat([kept, made.select(test.columns)]).sort("note_id")


def _beside(own: Answers, other: Answers, name: str) -> dict[str, Statistic]:
    found: dict[str, Statistic] = {
        f"{name} {own.figure}": other.worth,
        f"{name} drop": lambda weights: own.worth(weights) - other.worth(weights),
    }
    if own.said is not None:
        found[f"{name} changed_share"] = mean((own.said != other.said).any(axis=1).astype(np.float64))
    return found


def _table(figures: Figures, figure: str, names: Sequence[str]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for name in (name for name in names if "drop" in figures[name]):  # type: ignore[operator]
        found: dict[str, Any] = figures[name]  # type: ignore[assignment]
        shown = {f"value{end}": found[f"{figure}{end}"] for end in ("", "_low", "_high")}
        rows.append({column: (found | shown | {"perturbation": name}).get(column) for column in TABLE})
    return pl.DataFrame(rows, schema=TABLE).with_columns(pl.selectors.float().fill_nan(None).round(6))
