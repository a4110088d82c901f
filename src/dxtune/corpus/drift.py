"""How far the test notes are from the training notes: labels, lengths, words."""

import numpy as np
import polars as pl

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
    way round. None where a half has notes of one split only.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    notes = pl.concat([part.select("text", "patient_id").head(SAMPLE) for part in (train, test)])
    is_test = np.arange(notes.height) >= min(train.height, SAMPLE)
    words = HashingVectorizer(n_features=2**13, alternate_sign=False).transform(notes["text"].to_list())
    half = notes["patient_id"].rank("dense").to_numpy().astype(np.int64) % 2 == 0
    scores = np.zeros(notes.height)
    for fitted in (half, ~half):
        if len(set(is_test[fitted])) < 2 or fitted.all():
            return None
        model = LogisticRegression(C=10.0, class_weight="balanced").fit(words[fitted], is_test[fitted])
        scores[~fitted] = model.decision_function(words[~fitted])
    areas = [roc_auc_score(is_test[part], scores[part]) for part in (half, ~half)]
    return round(float(np.mean(areas)), 4)
