"""Figures of each class against the rest, with intervals: few for the metrics, all of them for a table."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.evaluation.bootstrap import interval, with_interval
from dxtune.evaluation.headline import Sample
from dxtune.evaluation.metrics import Floats
from dxtune.records import SMALLEST_GROUP

TABLE = {
    **dict.fromkeys(("label", "metric"), pl.String),
    **dict.fromkeys(("patients", "notes"), pl.Int64),
    **dict.fromkeys(("figure", "low", "high"), pl.Float64),
}


def by_class(
    sample: Sample,
    patients: npt.NDArray[np.str_],
    labels: Sequence[str],
    once: Mapping[str, Floats],
    drawn: Mapping[str, Floats],
) -> tuple[dict[str, dict[str, object]], pl.DataFrame]:
    """By label its notes, precision, recall and F1, or only that it has too few patients; and a table of every figure.

    once: of weights of 1; drawn: of the resamples; both as `headline.measure` names them.
    """
    found: dict[str, dict[str, object]] = {}
    rows = []
    names = [name for name in once if name.startswith("class_") and name != "class_notes"]
    for index, label in enumerate(labels):
        has = sample.truth[:, index]
        size = (len(np.unique(patients[has])), int(has.sum()))
        if size[0] < SMALLEST_GROUP:
            found[label] = {"patients_below_10": 1}
            continue
        own = {name.removeprefix("class_"): float(once[name][0, index]) for name in names}
        found[label] = {"precision": own["ppv"], "recall": own["sensitivity"], "notes": size[1]}
        found[label] |= with_interval("f1", own["f1"], drawn["class_f1"][:, index])
        for name, value in own.items():
            ends = interval(drawn[f"class_{name}"][:, index])
            rows.append((label, name, *size, value, ends.low, ends.high))
    return found, pl.DataFrame(rows, schema=TABLE, orient="row").with_columns(pl.selectors.float().fill_nan(None).round(6))
