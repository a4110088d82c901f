"""How unlike the notes of training a note is: its vector, its length, its unknown and its rare tokens. Fitted on validation.

Another language or another kind of text moves all of them. Validation's notes are of the same source as those of training,
but the model has not learnt them by heart, so theirs are the distances that a new note of the source has.
"""

from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.metrics import Floats, Labels
from dxtune.records import SMALLEST_GROUP

FAR = 0.99
"""From here on a note is called unlike: of new notes of the same source about one in a hundred."""
GRID = np.linspace(0, 1, 1001)
DIGITS = 5


def fit_familiar(vectors: Floats, groups: Labels, tokens: pl.DataFrame, unknown: int) -> dict[str, Any]:
    """What `unlike` needs, as plain lists. vectors: (notes, size); groups: the class that each is given, (notes,).

    tokens: `note_id`, `patient_id` and `input_ids`, a note or a window of one a row. unknown: the id of the unknown token. Kept
    are the groups' mean vectors, and the tokens that the notes of ten patients hold: rarer ones could point at persons.
    """
    known, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.zeros((len(known), vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    held = tokens.select("patient_id", "input_ids").explode("input_ids").unique().group_by("input_ids").len()
    familiar: dict[str, Any] = {
        "means": np.round(sums / sizes[:, None], DIGITS).tolist(),
        "common": sorted(held.filter(pl.col("len") >= SMALLEST_GROUP)["input_ids"].to_list()),
    }
    away = _away(familiar, vectors)
    away[np.arange(len(codes)), codes] *= sizes[codes] / np.maximum(sizes[codes] - 1, 1)  # a mean without the note itself
    lengths, *shares = _of_tokens(familiar, tokens, unknown)
    familiar["log_length"] = round(float(np.median(np.log(lengths))), DIGITS)
    respects = _respects(familiar, away, lengths, *shares)
    familiar["respects"] = {name: np.round(np.quantile(value, GRID), DIGITS).tolist() for name, value in respects.items()}
    return familiar


def unlike(familiar: dict[str, Any], vectors: Floats, tokens: pl.DataFrame, unknown: int) -> Floats:
    """From 0, like all others, to 1, beyond every note of validation in some respect; (notes,), in order of appearance.

    1 - 4 p, at least 0, where p is the share of validation's notes that are as far, or farther, in the respect in which they
    are fewest: four respects were looked at, and that is Bonferroni's correction for it.
    """
    found = _respects(familiar, _away(familiar, vectors), *_of_tokens(familiar, tokens, unknown))
    beyond = [
        np.searchsorted(familiar["respects"][name], np.round(value, DIGITS), side="left") / len(GRID)
        for name, value in found.items()
    ]
    score: Floats = np.clip(1 - len(beyond) * (1 - np.max(beyond, axis=0)), 0, 1)
    return score


def _away(familiar: dict[str, Any], vectors: Floats) -> Floats:
    """The distance of each vector to each mean, (notes, groups)."""
    distances = [np.linalg.norm(vectors - mean, axis=1) for mean in np.array(familiar["means"])]
    return np.stack(distances, axis=1)


def _of_tokens(familiar: dict[str, Any], tokens: pl.DataFrame, unknown: int) -> tuple[Floats, Floats, Floats]:
    """Of each note how many tokens it has, and the shares of those that are unknown, and that are not common."""
    each = tokens.select("note_id", token=pl.col("input_ids")).explode("token")
    ids = each["token"].to_numpy()
    each = each.with_columns(unknown=pl.Series(ids == unknown), rare=pl.Series(~np.isin(ids, familiar["common"])))
    found = each.group_by("note_id", maintain_order=True).agg(pl.len(), pl.col("unknown", "rare").mean())
    length, absent, rare = (found[name].to_numpy().astype(np.float64) for name in ("len", "unknown", "rare"))
    return length, absent, rare


def _respects(familiar: dict[str, Any], away: Floats, lengths: Floats, unknown: Floats, rare: Floats) -> dict[str, Floats]:
    far_in_length = np.abs(np.log(lengths) - familiar["log_length"])
    return {"vector": away.min(axis=1), "length": far_in_length, "unknown": unknown, "rare": rare}
