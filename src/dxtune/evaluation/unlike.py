"""How unlike the notes of training a note is: its vector, length, unknown and rare tokens, language. Fitted on validation.

Another language or another kind of text moves most of them. Validation's notes are of the same source as those of training,
but the model has not learnt them by heart, so theirs are the distances that a new note of the source has.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.language import foreign, languages
from dxtune.evaluation.metrics import Floats, Labels
from dxtune.records import SMALLEST_GROUP

FAR = 0.99
"""From here on a note is called unlike: of new notes of the same source about one in a hundred."""
GRID = np.linspace(0, 1, 1001)
DIGITS = 5

Read = Callable[[list[int]], str]
"""From the ids of tokens to their text."""


def fit_familiar(vectors: Floats, groups: Labels, tokens: pl.DataFrame, unknown: int, read: Read) -> dict[str, Any]:
    """What `unlike` needs, as plain lists. vectors: (notes, size); groups: the class that each is given, (notes,).

    tokens: `note_id`, `patient_id` and `input_ids`, a note or a window of one a row. unknown: the id of the unknown token. Kept
    are the groups' mean vectors, the tokens that the notes of ten patients hold (rarer ones could point at persons), and the
    languages of the notes.
    """
    known, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.zeros((len(known), vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    held = tokens.select("patient_id", "input_ids").explode("input_ids").unique().group_by("input_ids").len()
    texts = _texts(tokens, read)
    familiar: dict[str, Any] = {
        "languages": languages(texts),
        "means": np.round(sums / sizes[:, None], DIGITS).tolist(),
        "common": sorted(held.filter(pl.col("len") >= SMALLEST_GROUP)["input_ids"].to_list()),
    }
    away = _away(familiar, vectors)
    away[np.arange(len(codes)), codes] *= sizes[codes] / np.maximum(sizes[codes] - 1, 1)  # a mean without the note itself
    of_tokens = _of_tokens(familiar, tokens, unknown)
    familiar["log_length"] = round(float(np.median(np.log(of_tokens[0]))), DIGITS)
    respects = _respects(familiar, away, of_tokens, texts)
    familiar["respects"] = {name: np.round(np.quantile(value, GRID), DIGITS).tolist() for name, value in respects.items()}
    return familiar


def unlike(familiar: dict[str, Any], vectors: Floats, tokens: pl.DataFrame, unknown: int, read: Read) -> Floats:
    """From 0, like all others, to 1, beyond every note of validation in some respect; (notes,), in order of appearance.

    1 - 5 p, at least 0, where p is the share of validation's notes that are as far, or farther, in the respect in which they
    are fewest: five respects were looked at, and that is Bonferroni's correction for it.
    """
    away, of_tokens = _away(familiar, vectors), _of_tokens(familiar, tokens, unknown)
    found = _respects(familiar, away, of_tokens, _texts(tokens, read))
    beyond = [
        np.searchsorted(familiar["respects"][name], np.round(value, DIGITS), side="left") / len(GRID)
        for name, value in found.items()
    ]
    score: Floats = np.clip(1 - len(beyond) * (1 - np.max(beyond, axis=0)), 0, 1)
    return score


def warning(score: float) -> list[str]:
    """A line for a note that is unlike those of training, else nothing."""
    return ["unlike the notes of training: nothing above can be relied on"] if score > FAR else []


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


def _texts(tokens: pl.DataFrame, read: Read) -> list[str]:
    """Of each note the text that the model reads, window after window."""
    notes = tokens.group_by("note_id", maintain_order=True).agg(pl.col("input_ids").explode())
    return [read(ids) for ids in notes["input_ids"].to_list()]


def _respects(
    familiar: dict[str, Any], away: Floats, of_tokens: tuple[Floats, Floats, Floats], texts: list[str]
) -> dict[str, Floats]:
    lengths, unknown, rare = of_tokens
    far_in_length = np.abs(np.log(lengths) - familiar["log_length"])
    found = {"vector": away.min(axis=1), "length": far_in_length, "unknown": unknown, "rare": rare}
    return found | {"language": foreign(texts, familiar["languages"])}
