"""Measure the model on the test split, each metric with its interval, beside baselines and the ceiling: `dxtune evaluate`.

Reads the test split, as only `probe` and `explain` do besides. Intervals come from resampling patients.
"""

import polars as pl

from dxtune.evaluation.checks import as_predictions, check_labels, check_leakage
from dxtune.evaluation.gates import decide
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.records import predictions, processed, tokens
from dxtune.shards import read_corpus, read_json, write_json, write_parquet, write_text
from dxtune.tasks import find_measures
from dxtune.trained import Trained


def run(params: Params, paths: Paths) -> None:
    """Writes data/predictions.parquet, metrics/evaluate.json and the tables of metrics/plots."""
    predictor = Trained(paths.model, params.train.threads, params.train.precision)
    columns = processed(params.task)
    notes = {split: read_corpus(paths.processed / split, columns) for split in SPLITS}
    check_leakage(notes)
    check_labels(pl.concat([frame.select(list(columns)) for frame in notes.values()]), predictor.labels)

    parts = []
    for split in ("validation", "test"):
        rows = read_corpus(paths.tokens / split, tokens(params.task))
        parts.append(as_predictions(rows, split, predictor.predictions(rows), predictions(params.task)))
    made = pl.concat(parts)
    write_parquet(made, paths.predictions)

    figures, tables = find_measures(params.task).measure(notes, made, predictor.labels, predictor.settings, params)
    for name, table in tables.items():
        write_text(table.write_csv(), paths.metrics / "plots" / f"{name}.csv")
    figures["release"] = decide(
        params.evaluate.gates, figures, read_json(paths.metrics / "deidentify.json"), params.train.canaries
    )
    write_json(figures, paths.metrics / "evaluate.json")
