"""What is measured of classification: the figures of `evaluate`, and how wrong each answer is."""

from typing import Any

import polars as pl

from dxtune.evaluation.assessment import measured
from dxtune.evaluation.metrics import Floats
from dxtune.params import Params
from dxtune.tasks.centroid import nearest_centroid


def measure(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], settings: dict[str, Any], params: Params
) -> tuple[dict[str, object], dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    others = {"centroid": nearest_centroid(notes["test"], len(labels), settings, params)}
    return measured(notes, predictions, labels, settings["temperature"], others, params)


def mistakes(frame: pl.DataFrame, settings: dict[str, Any]) -> Floats:
    """How wrong each answer is, (notes,): 1 where another label is the likeliest one, else 0. frame: of `join_predictions`."""
    right = frame["probabilities"].list.arg_max().cast(pl.Int64) == frame["label_id"]
    return 1 - right.cast(pl.Float64).to_numpy()
