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
PLACEHOLDER = re.compile(r"\[[^\[\]]{1,40}\]")
"""However a tokenizer spells it."""


def languages(texts: Sequence[str]) -> list[str]:
    """The languages that a tenth of the notes or more are likeliest in: of shorthand many are named, and each seldom."""
    names = _model().names
    counts = Counter(names[int(_scores(text).argmax())] for text in texts).most_common()
    return sorted(name for name, notes in counts if notes >= SHARE * len(texts)) or [counts[0][0]]


def foreign(texts: Sequence[str], known: Sequence[str]) -> Floats:
    """By how many nats more than SURE another language is likelier than all known ones, at least 0; (notes,).

    >>> foreign(["no cp no sob no f/c/n/v ros o/w neg", "Fieber und Husten seit drei Tagen, dazu Atemnot."], ["en"]) > 0
    array([False,  True])
    """
    own = np.isin(_model().names, known)
    scores = map(_scores, texts)
    return np.array([max(0.0, float(score[~own].max() - score[own].max()) - SURE) for score in scores])


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


def _scores(text: str) -> np.ndarray:
    """The log-likelihood of a text in each of the model's languages, (names,), as of py3langid.rank; 0 where it knows nothing.

    All states are found at once, where py3langid goes from byte to byte in Python: from any guess, each pass corrects every
    state by the one before it, and what no pass changes is the automaton's run. It takes about as many passes as the longest
    string has bytes.
    """
    model = _model()
    letters = np.frombuffer(model.encode(PLACEHOLDER.sub(" ", text)), np.uint8)
    guess, states = None, np.zeros(len(letters), np.int64)
    while guess is None or (guess != states).any():
        guess = states
        states = model.moves[model.rows[np.append(0, guess)[:-1]] + letters]
    strings, counts = np.unique(model.found[states], return_counts=True)
    seen = strings >= 0
    if not seen.any():
        return np.zeros(len(model.names))
    weights = np.log1p(counts[seen].astype(np.float32))
    scores: np.ndarray = weights @ model.likely[strings[seen]] + model.prior
    return scores
