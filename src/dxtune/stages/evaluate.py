"""Measure the model on the test split, each metric with its interval, beside baselines and the ceiling: `dxtune evaluate`.

The only stage that reads the test split. Intervals come from resampling patients.
"""

import json
from collections.abc import Mapping

import polars as pl

from dxtune.errors import ModelError
from dxtune.evaluation import baseline, curves
from dxtune.evaluation.assessment import Figures, assess, ceiling, matrix, tidy
from dxtune.evaluation.checks import as_predictions, check_labels, check_leakage, join_predictions
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.records import PROCESSED, TOKENS, check
from dxtune.shards import read_corpus, write_json, write_parquet, write_text


def run(params: Params, paths: Paths) -> None:
    """Writes data/predictions.parquet, metrics/evaluate.json and the tables of metrics/plots."""
    predictor = Predictor(paths.model, params.train.threads, params.train.precision)
    notes = {split: check(read_corpus(paths.processed / split), PROCESSED, str(paths.processed / split)) for split in SPLITS}
    check_leakage(notes)
    labels = _read_labels(paths)
    check_labels(pl.concat([frame.select("label", "label_id") for frame in notes.values()]), labels)

    parts = []
    for split in ("validation", "test"):
        tokens = check(read_corpus(paths.tokens / split), TOKENS, str(paths.tokens / split))
        parts.append(as_predictions(tokens, split, predictor.probabilities(tokens)))
    predictions = pl.concat(parts)
    write_parquet(predictions, paths.predictions)

    figures, tables = measure(notes, predictions, labels, params)
    for name, table in tables.items():
        write_text(table.write_csv(), paths.metrics / "plots" / f"{name}.csv")
    write_json(figures, paths.metrics / "evaluate.json")


def measure(
    notes: Mapping[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], params: Params
) -> tuple[Figures, dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    settings, columns, train = params.evaluate, params.collect.subgroup_columns, notes["train"].sort("note_id")
    validation = join_predictions(notes["validation"], predictions, "validation")
    test = join_predictions(notes["test"], predictions, "test")
    seen, classes = train["label_id"].to_numpy(), len(labels)
    tfidf = baseline.tfidf(train["text"].to_list(), seen, test["text"].to_list(), classes, settings.seed)
    majority = baseline.majority(seen, test.height, classes)
    test = test.with_columns(pl.Series("tfidf", tfidf.tolist()), pl.Series("majority", majority.tolist()))

    figures = assess(test, _points(test, settings.calibration_bins), labels, columns, settings)
    sizes = {"notes": validation.height, "patients": validation["patient_id"].n_unique()}
    figures["validation"] = sizes | _points(validation, settings.calibration_bins)
    if "posterior" in test.columns:
        figures["ceiling"] = ceiling(test)
    tables = curves.all_curves(test["label_id"].to_numpy(), matrix(test, "probabilities"), labels, settings.calibration_bins)
    return tidy(figures), tables


def _points(frame: pl.DataFrame, bins: int) -> dict[str, float]:
    from dxtune.evaluation.clinical_metric import ClinicalMetric  # loads torch, through evaluate

    metric, references = ClinicalMetric(keep_in_memory=True), frame["label_id"].to_numpy()
    return dict(metric.compute(predictions=matrix(frame, "probabilities"), references=references, bins=bins))


def _read_labels(paths: Paths) -> list[str]:
    file = paths.model / "labels.json"
    try:
        return [str(name) for name in json.loads(file.read_text(encoding="utf-8"))]
    except (FileNotFoundError, json.JSONDecodeError):
        raise ModelError(f"expected the label names in {file}, found none: run dvc repro train (or dvc pull)") from None
