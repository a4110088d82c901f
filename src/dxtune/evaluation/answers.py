"""Exact match and token F1 of answers, as SQuAD's own script has them, and when a note has no answer. numpy and polars.

Source: Rajpurkar et al. 2016 (arXiv:1606.05250) and, for notes without an answer, 2018 (arXiv:1806.03822).
"""

import re
import string
from collections import Counter

import numpy as np
import polars as pl

from dxtune.evaluation.metrics import Floats

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(answer: str) -> str:
    """The answer in small letters, without punctuation, articles and more than single spaces.

    >>> normalise("The  E. coli, an infection")
    'e coli infection'
    """
    return " ".join(ARTICLES.sub(" ", answer.lower().translate(PUNCTUATION)).split())


def exact(gold: str, said: str) -> float:
    """1 where both are the same once normalised, else 0."""
    return float(normalise(gold) == normalise(said))


def token_f1(gold: str, said: str) -> float:
    """F1 of the words of two answers, counted as often as they stand there; where one is empty, 1 if both are.

    >>> round(token_f1("the left lower lobe", "lower lobe of lung"), 3)
    0.571
    """
    true, given = normalise(gold).split(), normalise(said).split()
    if not true or not given:
        return float(true == given)
    same = sum((Counter(true) & Counter(given)).values())
    return 2 * same / (len(true) + len(given))


def overlap(made: pl.DataFrame, gold: pl.DataFrame, no_answer: float) -> Floats:
    """For each note the F1 of the characters of two spans, (notes,); where a note has no answer, 1 if none is given.

    made: `start`, `end`, `no_answer`; gold: `answer_start`, `answer_end`, null where there is none; both row by row.
    """
    spans = _span_overlap(made, gold)
    none = gold["answer_start"].is_null().to_numpy()
    given = made["no_answer"].to_numpy() <= no_answer
    found: Floats = np.where(given, np.where(none, 0.0, spans), none).astype(np.float64)
    return found


def fit_no_answer(made: pl.DataFrame, gold: pl.DataFrame) -> float:
    """The `no_answer` above which a note is said to have no answer: that of the best mean overlap.

    Halfway between two notes' values, or 1 beyond the last of them; of equally good ones the greatest.

    >>> made = pl.DataFrame({"start": [0, 0], "end": [5, 5], "no_answer": [-2.0, 4.0]})
    >>> fit_no_answer(made, pl.DataFrame({"answer_start": [0, None], "answer_end": [5, None]}))
    1.0
    """
    values = made["no_answer"].to_numpy()
    none = gold["answer_start"].is_null().to_numpy()
    order = np.argsort(values, kind="stable")
    with_span = np.where(none, 0.0, _span_overlap(made, gold))[order]
    without = none.astype(np.float64)[order]
    # of the first k notes the span is given, of the others none
    total = np.concatenate([[0.0], with_span.cumsum()]) + np.concatenate([without[::-1].cumsum()[::-1], [0.0]])
    ranked = values[order]
    edges = np.concatenate([[ranked[0] - 2], ranked, [ranked[-1] + 2]])
    possible = np.flatnonzero(np.diff(edges) > 0)
    best = int(possible[::-1][np.argmax(total[possible][::-1])])
    return float((edges[best] + edges[best + 1]) / 2)


def _span_overlap(made: pl.DataFrame, gold: pl.DataFrame) -> Floats:
    start, end = made["start"].to_numpy(), made["end"].to_numpy()
    first, last = (gold[name].fill_null(0).to_numpy() for name in ("answer_start", "answer_end"))
    shared = np.clip(np.minimum(end, last) - np.maximum(start, first), 0, None)
    both = (end - start) + (last - first)
    f1: Floats = np.where(both > 0, 2.0 * shared / np.maximum(both, 1), 0.0)
    return f1
