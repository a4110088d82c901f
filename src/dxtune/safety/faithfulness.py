"""Whether attributions are true of the model: what it says without the tokens they name, and with these alone.

Sources: DeYoung et al., ERASER (ACL 2020, arXiv:1911.03429): comprehensiveness, sufficiency. Adebayo et al., Sanity Checks for
Saliency Maps (NeurIPS 2018, arXiv:1810.03292): attributions of a model with random weights must be others. No torch here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.evaluation import weighted
from dxtune.evaluation.bootstrap import SEED, bootstrap, with_interval
from dxtune.evaluation.metrics import Floats

SHARE = 0.2
"""Of a note's tokens, those that are left out, or left alone."""
DRAWS = 5
"""Random choices of as many tokens, whose mean the named ones are compared with."""
LISTS = ("input_ids", "token_type_ids")
MEASURES = ("comprehensiveness", "sufficiency")

Windows = Sequence[Mapping[str, Any]]
"""The rows of one note in a table of tokens."""
Mask = npt.NDArray[np.bool_]
Predict = Callable[[pl.DataFrame], pl.DataFrame]
"""From a table of tokens to a row a note with its `probabilities`, in the order of the table."""


@dataclass(frozen=True)
class Attributed:
    """A note, its likeliest label, and what each of its tokens adds to that label's logit, window after window."""

    note_id: str
    patient_id: str
    label: int
    windows: Windows
    scores: Floats

    @property
    def ids(self) -> list[int]:
        """The ids of its tokens, window after window."""
        return [number for window in self.windows for number in window["input_ids"]]


def faithfulness(notes: Sequence[Attributed], predict: Predict, special: Sequence[int]) -> pl.DataFrame:
    """One row a note: how much less likely its label is without the named tokens, and with them alone; and so for random ones.

    The first, `comprehensiveness`, should be more than `comprehensiveness_random`, the second, `sufficiency`, less.
    """
    random = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []
    for number, note in enumerate(notes):
        words = ~np.isin(note.ids, special)
        rows += _rows(f"{number}/whole", note.windows, np.ones(len(words), dtype=bool))
        for name, chosen in _choices(note.scores, words, random):
            rows += _rows(f"{number}/{name}/without", note.windows, ~chosen)
            rows += _rows(f"{number}/{name}/alone", note.windows, chosen | ~words)
    table = pl.DataFrame(rows, schema_overrides={"input_ids": pl.List(pl.Int32)})
    made = dict(predict(table).select("note_id", "probabilities").iter_rows())

    found = []
    for number, note in enumerate(notes):
        whole = made[f"{number}/whole"][note.label]
        values: dict[str, Any] = {"note_id": note.note_id, "patient_id": note.patient_id}
        for measure, kind in zip(MEASURES, ("without", "alone"), strict=True):
            of_random = [made[f"{number}/random {draw}/{kind}"][note.label] for draw in range(DRAWS)]
            values[measure] = whole - made[f"{number}/named/{kind}"][note.label]
            values[f"{measure}_random"] = whole - float(np.mean(of_random))
        found.append(values)
    return pl.DataFrame(found)


def summary(found: pl.DataFrame, resamples: int) -> dict[str, object]:
    """The means of both measures, those of random tokens, and the differences, with their intervals over patients."""
    values: dict[str, Floats] = {}
    for name in MEASURES:
        own, random = (found[column].to_numpy() for column in (name, f"{name}_random"))
        values |= {name: own, f"{name}_random": random, f"{name}_difference": own - random}
    measure = weighted.together({name: weighted.mean(value) for name, value in values.items()})
    drawn = bootstrap(measure, found["patient_id"].to_numpy(), resamples)
    figures: dict[str, object] = {}
    for name, value in values.items():
        figures |= with_interval(name, float(value.mean()), drawn[name])
    return figures


def rank_correlation(some: Floats, others: Floats) -> float:
    """Spearman's correlation of two attributions of the same tokens, NaN where one of them is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 5.0]), np.array([9.0, 4.0, 1.0]))
    -1.0
    """
    from scipy.stats import rankdata

    first, second = rankdata(some), rankdata(others)
    if len(first) < 2 or not first.std() or not second.std():
        return float("nan")
    return round(float(np.corrcoef(first, second)[0, 1]), 9)


def agreement(notes: Sequence[Attributed], others: Sequence[Floats], special: Sequence[int]) -> float:
    """The mean over notes of the rank correlation of their scores with others of the same tokens, special ones left out."""
    each = []
    for note, scores in zip(notes, others, strict=True):
        words = ~np.isin(note.ids, special)
        each.append(rank_correlation(note.scores[words], scores[words]))
    return float(np.nanmean(each))


def _choices(scores: Floats, words: Mask, random: np.random.Generator) -> Iterator[tuple[str, Mask]]:
    """Masks of tokens by name: those that add most to the label, the first among equals, and as many at random."""
    places = np.flatnonzero(words)
    count = int(np.ceil(SHARE * len(places)))
    named = places[np.argsort(-scores[places], kind="stable")[:count]]
    drawn = [random.permutation(places)[:count] for _ in range(DRAWS)]
    for name, some in (("named", named), *((f"random {draw}", some) for draw, some in enumerate(drawn))):
        mask = np.zeros(len(words), dtype=bool)
        mask[some] = True
        yield name, mask


def _rows(name: str, windows: Windows, kept: Mask) -> list[dict[str, Any]]:
    """The rows of a note under another name, with some of its tokens alone."""
    rows, start = [], 0
    for window in windows:
        size = len(window["input_ids"])
        mask = kept[start : start + size]
        start += size
        lists = {column: np.array(window[column])[mask].tolist() for column in LISTS if column in window}
        rows.append({"note_id": name, "patient_id": name, **lists, "length": int(mask.sum())})
    return rows
