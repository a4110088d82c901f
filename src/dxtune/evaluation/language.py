"""Whether a note is in another language than those of training. By py3langid: naive Bayes over strings of bytes, 139 languages.

Abbreviations, Latin terms and names of drugs are hardly English to it, so weak evidence counts for nothing.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

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
    names, scores = _scores(texts)
    counts = Counter(names[scores.argmax(axis=1)].tolist()).most_common()
    return sorted(name for name, notes in counts if notes >= SHARE * len(texts)) or [counts[0][0]]


def foreign(texts: Sequence[str], known: Sequence[str]) -> Floats:
    """By how many nats more than SURE another language is likelier than all known ones, at least 0; (notes,).

    >>> foreign(["no cp no sob no f/c/n/v ros o/w neg", "Fieber und Husten seit drei Tagen, dazu Atemnot."], ["en"]) > 0
    array([False,  True])
    """
    names, scores = _scores(texts)
    own = np.isin(names, known)
    values: Floats = np.maximum(0.0, scores[:, ~own].max(axis=1) - scores[:, own].max(axis=1) - SURE)
    return values


class Model(NamedTuple):
    """What py3langid has learnt: an automaton over bytes, which finds strings, and how likely each language writes them."""

    identifier: Any
    moves: np.ndarray
    """By row and byte, one after another, the next state."""
    rows: np.ndarray
    """Of each state, where its row starts in `moves`."""
    found: np.ndarray
    """Of each state, the number of the string that it ends, or -1."""
    believed: np.ndarray
    """The columns of languages that count here."""


@cache
def _model() -> Model:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # 4.6 MB, which are read when they are first needed

    made = LanguageIdentifier.from_model_file(MODEL_FILE)
    believed = np.flatnonzero(~np.isin(made.nb_classes, NONE))
    return Model(made, np.asarray(made.tk_nextmove), np.array(made.tk_row, np.int64) << 8, np.asarray(made.tk_output), believed)


def _scores(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The names of languages, and of each text their log-likelihoods, (texts, names), as py3langid.rank has them.

    A name can stand twice, for two scripts. All states of a text are found at once, where py3langid goes from byte to byte in
    Python: from any guess each pass corrects every state by the one before it, and what no pass changes is the automaton's run.
    """
    model = _model()
    names, table, prior = (getattr(model.identifier, name) for name in ("nb_classes", "nb_ptc", "nb_pc"))
    scores = np.zeros((len(texts), len(names)))
    for score, text in zip(scores, texts, strict=True):
        letters = np.frombuffer(model.identifier._encode(PLACEHOLDER.sub(" ", text)), np.uint8)
        guess, states = None, np.zeros(len(letters), np.int64)
        while guess is None or (guess != states).any():
            guess = states
            states = model.moves[model.rows[np.append(0, guess[:-1])] + letters]
        strings, counts = np.unique(model.found[states], return_counts=True)
        seen = strings >= 0
        if seen.any():
            score[:] = np.log1p(counts[seen].astype(np.float32)) @ table[strings[seen]].astype(np.float32) + prior
    return np.array(names)[model.believed], scores[:, model.believed]
