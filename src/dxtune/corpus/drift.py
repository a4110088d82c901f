"""How far the test notes are from the training notes: labels, lengths, words."""

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.corpus.leaks import split_words

SAMPLE = 2_000  # notes of each split that the classifier reads
FLOOR = 1e-4  # share that stands for none, so that the index stays finite


def label_psi(counts: dict[str, dict[str, int]], other: str, reference: str = "train") -> float:
    """Population stability index of the labels in split `other`: 0 for the same shares; above 0.25 is much.

    The sum over labels of (q - p) ln(q / p) (Siddiqi 2006).

    >>> label_psi({"flu": {"train": 50, "test": 25}, "cold": {"train": 50, "test": 75}}, "test")
    0.274653
    """
    p, q = (np.array([splits[name] for splits in counts.values()], float) for name in (reference, other))
    if not p.sum() or not q.sum():
        return 0.0
    p, q = (np.maximum(shares / shares.sum(), FLOOR) for shares in (p, q))
    return round(float(((q - p) * np.log(q / p)).sum()), 6)


def length_ks(left: pl.Series, right: pl.Series) -> float:
    """The Kolmogorov-Smirnov distance of two samples: the largest gap between their distribution functions, 0 to 1.

    >>> length_ks(pl.Series([1, 2, 3, 4]), pl.Series([3, 4, 5, 6]))
    0.5
    """
    a, b = np.sort(left.to_numpy()), np.sort(right.to_numpy())
    every = np.concatenate([a, b])
    below = (np.searchsorted(side, every, side="right") / len(side) for side in (a, b))
    return round(float(np.abs(next(below) - next(below)).max()), 6)


def split_auc(train: pl.DataFrame, test: pl.DataFrame) -> float | None:
    """AUC of a classifier that tells test notes from training notes by their words: 0.5 where they are alike.

    Both: `text`, `patient_id`. The first half of the patients (by hash of place) fits, the other half is scored, and the other
    way round. None where a half has notes of one split only. The classifier is naive Bayes on which words a note has (McCallum
    and Nigam 1998, its multinomial event model): the words of a form that one split lacks are all that it needs to see.
    """
    notes = pl.concat([part.select("text", "patient_id").head(SAMPLE) for part in (train, test)])
    is_test = np.arange(notes.height) >= min(train.height, SAMPLE)
    said = (
        pl.DataFrame({"row": np.arange(notes.height), "word": split_words(notes["text"])}).explode("word").drop_nulls().unique()
    )
    said = said.sort("row", "word")
    row, word = said["row"].to_numpy(), said["word"].rank("dense").to_numpy().astype(np.int64) - 1
    half = notes["patient_id"].rank("dense").to_numpy().astype(np.int64) % 2 == 0
    areas = []
    for fitted in (half, ~half):
        if len(set(is_test[fitted])) < 2 or len(set(is_test[~fitted])) < 2:
            return None
        counts = [
            1.0 + np.bincount(word[fitted[row] & (is_test[row] == side)], minlength=word.max() + 1) for side in (True, False)
        ]
        tested, trained = (count / count.sum() for count in counts)
        scores = np.bincount(row, np.log(tested / trained)[word], notes.height)
        areas.append(area_under_curve(scores[~fitted & is_test], scores[~fitted & ~is_test]))
    return round(float(np.mean(areas)), 4)


def area_under_curve(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> float:
    """The share of pairs in which the positive has the higher score, ties as half (Mann and Whitney 1947).

    >>> area_under_curve(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    0.875
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive) + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))
