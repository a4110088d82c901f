"""What is measured of question answering: the figures of `evaluate`, and how wrong each answer is."""

from typing import Any

import polars as pl

from dxtune.evaluation.answers_assessment import measure as measured
from dxtune.evaluation.answers_assessment import scored
from dxtune.evaluation.metrics import Floats
from dxtune.params import Params


def measure(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], settings: dict[str, Any], params: Params
) -> tuple[dict[str, object], dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    return measured(notes, predictions, settings["no_answer"], params)


def mistakes(frame: pl.DataFrame, settings: dict[str, Any]) -> Floats:
    """How wrong each answer is, (notes,): 1 less its token F1. frame: of `join_predictions`."""
    return 1 - scored(frame, settings["no_answer"])["token_f1"].to_numpy()
