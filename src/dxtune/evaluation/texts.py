"""How alike a text and its reference are: ROUGE, and exact match where the reference is short."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from dxtune.evaluation.answers import exact
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.weighted import Statistic, ratio

WORD = re.compile("[a-z0-9]+")
SHORT = 5
"""Words up to which a reference is an exact answer, such as yes or a dose: longer ones are never met word by word."""


def score(answers: Sequence[str], references: Sequence[str]) -> dict[str, Floats]:
    """ROUGE of each answer, (notes,); `exact`: 1 or 0 where the reference is short, NaN elsewhere, absent if it never is."""
    pairs = list(zip(answers, references, strict=True))
    figures = {
        "rouge_1": np.array([rouge_n(*pair, 1) for pair in pairs]),
        "rouge_2": np.array([rouge_n(*pair, 2) for pair in pairs]),
        "rouge_l": np.array([rouge_l(*pair) for pair in pairs]),
    }
    short = np.array([len(reference.split()) <= SHORT for reference in references])
    if short.any():
        figures["exact"] = np.where(short, [exact(*pair) for pair in pairs], np.nan)
    return figures


def perplexity(frame: pl.DataFrame) -> Statistic:
    """A statistic (resamples,): e to the mean negative log-likelihood of the references' tokens (`nll`, `tokens`)."""
    nll, tokens = frame["nll"].to_numpy(), frame["tokens"].to_numpy().astype(np.float64)
    return lambda weights: np.exp(ratio(weights @ nll, weights @ tokens))


def words(text: str) -> list[str]:
    """The words of a text as ROUGE sees them, without stemming.

    >>> words("He takes Salbutamol, 2.5 mg.")
    ['he', 'takes', 'salbutamol', '2', '5', 'mg']
    """
    return WORD.findall(text.lower())


def rouge_n(answer: str, reference: str, n: int) -> float:
    """ROUGE-N (Lin 2004): the F1 of the runs of n words that both have, each counted as often as both have it.

    >>> rouge_n("the cat sat", "the cat ran", 1)
    0.6666666666666666
    """
    ours, theirs = (Counter(_runs(words(text), n)) for text in (answer, reference))
    return _f1((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L (Lin 2004): the F1 of the longest common subsequence of words.

    >>> rouge_l("the cat sat down", "the dog sat down")
    0.75
    """
    ours, theirs = words(answer), words(reference)
    return _f1(_common(ours, theirs), len(ours), len(theirs))


def _runs(tokens: list[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


def _common(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, a whole row of the table at a time in the bits of one number.

    Source: Hyyrö, Bit-parallel LCS-length computation revisited (AWOCA 2004).
    """
    places: dict[str, int] = {}
    for place, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(left)) - 1
    row = full
    for word in right:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & full
    return len(left) - row.bit_count()


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if ours + theirs else 0.0
