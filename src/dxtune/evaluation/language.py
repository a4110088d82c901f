"""Whether a note is in another language than those of training. By py3langid: naive Bayes over strings of bytes, 139 languages.

Abbreviations, Latin terms and names of drugs are hardly English to it, so weak evidence counts for nothing.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from dxtune.evaluation.metrics import Floats

SURE = 40.0
"""Nats by which a language must be likelier before it is believed. docs/evaluation.md says what was measured."""
SHARE = 0.1
"""Of the notes, that a language of training has at the least."""
NONE = ("la", "zxx")
"""Latin, and no language at all: lists of diagnoses, findings and values look like these in every language."""
PLACEHOLDER = re.compile(r"\[[^\[\]]{1,40}\]")
"""However a tokenizer spells it."""


def languages(texts: Sequence[str]) -> list[str]:
    """The languages that a tenth of the notes or more are likeliest in: of shorthand many are named, and each seldom."""
    counts = Counter(_ranked(text)[0][0] for text in texts).most_common()
    return sorted(name for name, notes in counts if notes >= SHARE * len(texts)) or [counts[0][0]]


def foreign(texts: Sequence[str], known: Sequence[str]) -> Floats:
    """By how many nats more than SURE another language is likelier than all known ones, at least 0; (notes,).

    >>> foreign(["no cp no sob no f/c/n/v ros o/w neg", "Fieber und Husten seit drei Tagen, dazu Atemnot."], ["en"]) > 0
    array([False,  True])
    """
    values = []
    for text in texts:
        ranked = dict(_ranked(text))
        own = max(ranked.pop(name) for name in known)
        values.append(max(0.0, max(ranked.values()) - own - SURE))
    return np.array(values)


def _ranked(text: str) -> list[tuple[str, float]]:
    """All languages with their log-likelihoods, the likeliest first."""
    from py3langid import rank  # it reads its model of 4.6 MB when it is first asked

    return [each for each in rank(PLACEHOLDER.sub(" ", text)) if each[0] not in NONE]
