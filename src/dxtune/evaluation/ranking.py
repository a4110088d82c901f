"""Areas under the ROC and the precision-recall curve under many weightings of the notes at once.

Both need, for each note with the class, the weight of the notes without it that score as high, and higher. Between two notes
with the class these are summed once, by one sparse matrix product for all resamples: sorting is done before, for all.
"""

import numpy as np
from scipy.sparse import csr_matrix

from dxtune.evaluation.metrics import Floats, Labels
from dxtune.evaluation.multilabel import Matrix
from dxtune.evaluation.weighted import Statistic, ratio


def areas(truth: Matrix, probabilities: Floats) -> Statistic:
    """A statistic (resamples, 2, classes): AUROC and average precision of each class against the rest, ties counted half.

    NaN where a resample has no note with the class, and for the AUROC where it has none without.
    """
    notes = np.arange(len(truth))
    return _stacked(
        [_sums_of(np.asarray(has, dtype=bool), score, notes) for has, score in zip(truth.T, probabilities.T, strict=True)]
    )


def pooled_areas(truth: Matrix, probabilities: Floats) -> Statistic:
    """A statistic (resamples, 2, 1): the same of all decisions about all notes and classes pooled."""
    notes = np.repeat(np.arange(len(truth)), truth.shape[1])
    return _stacked([_sums_of(np.asarray(truth, dtype=bool).ravel(), probabilities.ravel(), notes)])


def _sums_of(has: Labels, score: Floats, notes: Labels) -> csr_matrix:
    """What sums weights of notes, (3 scores + 1, notes): at each score of a decision with the class, ascending, those with
    it; those without it; and those without it between this score and the one before."""
    scores = np.unique(score[has])
    place = np.searchsorted(scores, score)
    tied = np.isin(score, scores)
    row = np.where(has, place, np.where(tied, len(scores) + place, 2 * len(scores) + place))
    size = (3 * len(scores) + 1, int(notes.max(initial=-1)) + 1)
    return csr_matrix((np.ones(len(row)), (row, notes)), shape=size)


def _stacked(classes: list[csr_matrix]) -> Statistic:
    def statistic(weights: Floats) -> Floats:
        by_note = np.ascontiguousarray(weights.T)
        return np.stack([_areas(sums_of @ by_note) for sums_of in classes], axis=-1)

    return statistic


def _areas(sums: Floats) -> Floats:
    """AUROC and average precision, (resamples, 2), from what `_sums_of` sums."""
    scores = len(sums) // 3
    having, tied, between = sums[:scores], sums[scores : 2 * scores], sums[2 * scores :]
    lower = np.cumsum(between[:-1], axis=0) + np.cumsum(tied, axis=0) - tied
    without, found = between.sum(axis=0) + tied.sum(axis=0), having.sum(axis=0)
    wins = (having * (lower + tied / 2)).sum(axis=0)
    reached = found - np.cumsum(having, axis=0) + having
    precision = ratio(reached, reached + without - lower)
    average = ratio(np.where(having > 0, having * precision, 0).sum(axis=0), found)
    return np.stack([ratio(wins, found * without), average], axis=1)
