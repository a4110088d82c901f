"""What is measured of generation: the figures of `evaluate`, and how wrong each answer is."""

from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.texts import rouge_l
from dxtune.params import Params
from dxtune.tasks.responses import measure as measured


def measure(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], settings: dict[str, Any], params: Params
) -> tuple[dict[str, object], dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, from prompts with their responses and the model's answers. No curves."""
    return measured(notes, predictions, params)


def mistakes(frame: pl.DataFrame, settings: dict[str, Any]) -> Floats:
    """How wrong each answer is, (notes,): 1 less its ROUGE-L. frame: of `join_predictions`."""
    return np.array([1 - rouge_l(*pair) for pair in frame.select("answer", "response").iter_rows()])
