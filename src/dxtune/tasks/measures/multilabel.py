"""What is measured of multilabel: the figures of `evaluate`, and how wrong each answer is."""

from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import f1_of_notes, multi_hot
from dxtune.evaluation.multilabel_assessment import measured
from dxtune.params import Params
from dxtune.tasks.centroid import nearer_of_pairs


def measure(
    notes: dict[str, pl.DataFrame], predictions: pl.DataFrame, labels: list[str], settings: dict[str, Any], params: Params
) -> tuple[dict[str, object], dict[str, pl.DataFrame]]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions."""
    others = {"centroid": nearer_of_pairs(notes["test"], settings, params)}
    thresholds = np.array(settings["thresholds"])
    return measured(notes, predictions, labels, settings["temperature"], thresholds, others, params)


def mistakes(frame: pl.DataFrame, settings: dict[str, Any]) -> Floats:
    """How wrong each answer is, (notes,): 1 less the F1 of the note's labels, 0 where it has none and gets none.

    frame: of `join_predictions`.
    """
    given = np.array(frame["probabilities"].to_list()) >= np.array(settings["thresholds"])
    return 1 - f1_of_notes(multi_hot(frame["label_ids"], given.shape[1]), given)
