"""How unlike the notes of training a note is: by its vector, its length, and its share of unknown tokens. Fitted on validation.

Another language or another kind of text moves all three. Validation's notes are of the same source as those of training, but
the model has not learnt them by heart, so theirs are the distances that a new note of the source has.
"""

from typing import Any

import numpy as np

from dxtune.evaluation.metrics import Floats

FAR = 0.99
"""From here on a note is called unlike: of new notes of the same source about one in a hundred."""
GRID = np.linspace(0, 1, 201)
DIGITS = 5


def fit_familiar(vectors: Floats, lengths: Floats, unknown: Floats) -> dict[str, Any]:
    """What `unlike` needs, as plain lists. vectors: (notes, size); lengths: number of tokens; unknown: share of them."""
    familiar: dict[str, Any] = {
        "mean": np.round(vectors.mean(axis=0), DIGITS).tolist(),
        "scale": np.round(np.maximum(vectors.std(axis=0), 1e-3), DIGITS).tolist(),
        "log_length": round(float(np.median(np.log(lengths))), DIGITS),
    }
    distances = _distances(familiar, vectors, lengths, unknown)
    familiar["distances"] = {name: np.quantile(value, GRID).tolist() for name, value in distances.items()}
    return familiar


def unlike(familiar: dict[str, Any], vectors: Floats, lengths: Floats, unknown: Floats) -> Floats:
    """From 0, like all others, to 1, beyond every note of validation in some respect; (notes,).

    1 - 3 p, at least 0, where p is the share of validation's notes that are as far, or farther, in the respect in which they
    are fewest: the three respects are Bonferroni's correction for having looked three times.
    """
    beyond = [
        np.searchsorted(familiar["distances"][name], value, side="left") / len(GRID)
        for name, value in _distances(familiar, vectors, lengths, unknown).items()
    ]
    score: Floats = np.clip(1 - len(beyond) * (1 - np.max(beyond, axis=0)), 0, 1)
    return score


def _distances(familiar: dict[str, Any], vectors: Floats, lengths: Floats, unknown: Floats) -> dict[str, Floats]:
    """Of the vector to the mean, in standard deviations of each dimension; of the length to the median, in orders of e."""
    away = (vectors - np.array(familiar["mean"])) / np.array(familiar["scale"])
    return {
        "vector": np.sqrt(np.square(away).mean(axis=1)),
        "length": np.abs(np.log(lengths) - familiar["log_length"]),
        "unknown": unknown,
    }
