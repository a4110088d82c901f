"""Whether a note is in another language than those of training. By py3langid: naive Bayes over strings of bytes, 139 languages.

Abbreviations, Latin terms and names of drugs are hardly English to it, so weak evidence counts for nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from dxtune.evaluation.metrics import Floats

SURE = 40.0
"""Nats by which a language must be likelier before it is believed. docs/evaluation.md says what was measured."""
SHARE = 0.1
"""Of the notes, that a language of training has at the least."""
NONE = ("la", "zxx")
"""Latin, and no language at all: lists of diagnoses, findings and values look like these in every language."""
TOGETHER = 256
"""Texts scored at a time."""
PLACEHOLDER = re.compile(r"\[[^\[\]]{1,40}\]")
"""However a tokenizer spells it."""


def languages(texts: Sequence[str]) -> list[str]:
    """The languages that a tenth of the notes or more are likeliest in: of shorthand many are named, and each seldom."""
    names = _model().names
    counts = Counter(names[column] for column in _scores(texts).argmax(axis=1)).most_common()
    return sorted(name for name, notes in counts if notes >= SHARE * len(texts)) or [counts[0][0]]


def foreign(texts: Sequence[str], known: Sequence[str]) -> Floats:
    """By how many nats more than SURE another language is likelier than all known ones, at least 0; (notes,).

    >>> foreign(["no cp no sob no f/c/n/v ros o/w neg", "Fieber und Husten seit drei Tagen, dazu Atemnot."], ["en"]) > 0
    array([False,  True])
    """
    own = np.isin(_model().names, known)
    scores = _scores(texts)
    beyond: Floats = np.maximum(0, scores[:, ~own].max(axis=1) - scores[:, own].max(axis=1) - SURE)
    return beyond


class Model(NamedTuple):
    """What py3langid has learnt: an automaton over bytes, which finds strings, and how likely each language writes them."""

    encode: Callable[[str], bytes]
    """What it reads of a text."""
    names: list[str]
    """Of the languages that count here; one can stand twice, for two scripts."""
    moves: np.ndarray
    """By row and byte, one after another, the next state."""
    rows: np.ndarray
    """Of each state, where its row starts in `moves`."""
    found: np.ndarray
    """Of each state, the number of the string that it ends, or -1."""
    likely: np.ndarray
    """Log-likelihoods, (strings, names), in float32: 56 MB, but no note waits for their conversion."""
    prior: np.ndarray
    """That of the languages, (names,)."""


@cache
def _model() -> Model:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # 4.6 MB, which are read when they are first needed

    made = LanguageIdentifier.from_model_file(MODEL_FILE)
    believed = np.flatnonzero(~np.isin(made.nb_classes, NONE))
    return Model(
        encode=made._encode,
        names=[made.nb_classes[column] for column in believed],
        moves=np.asarray(made.tk_nextmove),
        rows=np.array(made.tk_row, np.int64) << 8,
        found=np.asarray(made.tk_output),
        likely=made.nb_ptc[:, believed].astype(np.float32),
        prior=made.nb_pc[believed],
    )


def _scores(texts: Sequence[str]) -> np.ndarray:
    """The log-likelihoods of texts in the model's languages, (texts, names), as of py3langid.rank; 0 where it knows nothing.

    All states are found at once, where py3langid goes from byte to byte in Python: from the guess that each byte is the first
    one, those are corrected whose predecessor was, until there are none. It takes as many passes as the longest string has
    bytes, the later ones over few.
    """
    parts = (_some_scores(texts[start : start + TOGETHER]) for start in range(0, len(texts), TOGETHER))
    return np.concatenate([np.empty((0, len(_model().names))), *parts])


def _some_scores(texts: Sequence[str]) -> np.ndarray:
    model = _model()
    encoded = [model.encode(PLACEHOLDER.sub(" ", text)) for text in texts]
    letters = np.frombuffer(b"".join(encoded), np.uint8)
    text_of = np.repeat(np.arange(len(texts)), [len(each) for each in encoded])
    states = model.moves[model.rows[0] + letters]
    at = np.arange(1, len(letters))
    while len(at := at[text_of[at] == text_of[at - 1]]):
        made = model.moves[model.rows[states[at - 1]] + letters[at]]
        changed = made != states[at]
        states[at[changed]] = made[changed]
        at = at[changed] + 1
        at = at[at < len(letters)]
    strings = model.found[states]
    seen = strings >= 0
    places, counts = np.unique(text_of[seen] * len(model.likely) + strings[seen], return_counts=True)
    used, columns = np.unique(places % len(model.likely), return_inverse=True)
    likely, weights = model.likely[used], np.log1p(counts.astype(np.float32))  # few enough strings for a cache
    ends = np.searchsorted(places, len(model.likely) * np.arange(len(texts) + 1))
    scores = np.zeros((len(texts), len(model.names)))
    for score, start, end in zip(scores, ends, ends[1:], strict=False):
        if start < end:
            score[:] = weights[start:end] @ likely[columns[start:end]] + model.prior
    return scores
