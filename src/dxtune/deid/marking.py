"""Decides what is to be masked in notes that were looked at, token by token, and notes why.

The grammar is sure; the scorer is asked about the words that nothing explains; a patient's structured columns and the names in
the patient's other notes add to that; completing.py adds what belongs to what is marked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dxtune.deid import grammar, lexicon, scorer
from dxtune.deid.carried import Names
from dxtune.deid.completing import spread
from dxtune.deid.doubts import doubt
from dxtune.deid.looks import NUMBER, Look, notes_of
from dxtune.deid.patterns import EITHER_CLASS
from dxtune.deid.tokens import DIGITS, LETTERS, LOWER, Bytes, Hashes, Ints, Tokens, tokenize


@dataclass(frozen=True)
class Marked:
    """What is to be masked in some notes: of each token the number of its type, or 0; the rule that said so, and its score.

    margin: how far above the threshold the scorer is, in hundredths of a logit; very low where it was not asked.
    """

    look: Look
    kind: Bytes
    rule: Bytes
    margin: npt.NDArray[np.int32]


RULES = ("", "grammar", "scorer", "carried", "beside", "known", "vote")
"""Why a span is masked: rule ids of the audit table. beside: it stands in one run with a masked word. known: a structured
column says so."""
WORDS_ARE_NO_CODES = 300
"""What letters that touch no digit must be surer of to be part of a code."""
SURE = 200
"""How far above the threshold a name must be to be carried to the other notes of its patient."""
CARRIED = 700
"""How far below the threshold the context of a carried name may be: "Foley catheter" in the notes of Mr. Foley is kept."""
_SCORED = np.array([NUMBER[kind] for kind in scorer.KINDS], np.uint8)


def mark(
    seen: Look,
    patients: Ints | None = None,
    table: Hashes | None = None,
    threshold: int | None = None,
    known: Sequence[str] | None = None,
    shared: Names | None = None,
) -> Marked:
    """What is to be masked in some notes that were looked at. patients: of each note the number of its patient, whose names are
    carried from note to note.

    known: of each note the identifiers of its patient in structured columns, a line each; their words are always masked.
    table, threshold: another scorer than the one that is shipped. shared: names in notes that are looked at elsewhere.
    """
    if table is None or threshold is None:
        table, threshold = scorer.weights()
    rows = rows_to_score(seen)
    kind = np.where(seen.fixed, 0, seen.seen).astype(np.uint8)
    margin = np.full(len(seen.tokens), -(1 << 30), np.int32)
    guess = np.zeros(len(seen.tokens), np.uint8)
    if len(rows):
        scores = scorer.score(seen.tokens, seen.known, seen.classes, seen.seen, rows, table)
        words = tokens_are_words(seen.tokens, rows)
        scores[words, 3] -= WORDS_ARE_NO_CODES
        best = scores.argmax(1)
        margin[rows] = scores[np.arange(len(rows)), best] - threshold - doubt(seen, rows, words, best < 3)
        guess[rows] = _SCORED[best]
        guess[seen.classes == EITHER_CLASS] = NUMBER["DATE"]
    sure = margin >= 0
    kind[sure] = guess[sure]
    rule = np.where(seen.seen > 0, RULES.index("grammar"), np.where(sure, RULES.index("scorer"), 0)).astype(np.uint8)
    owner = np.arange(len(seen.tokens.first)) if patients is None else patients
    _mask_known(seen, kind, known)
    rule[(kind > 0) & (rule == 0)] = RULES.index("known")
    _carry(seen, kind, margin, owner, shared)
    rule[(kind > 0) & (rule == 0)] = RULES.index("carried")
    spread(seen, kind, margin, guess)
    rule[(kind > 0) & (rule == 0)] = RULES.index("beside")
    return Marked(seen, kind, rule, margin)


def rows_to_score(seen: Look) -> Ints:
    """The tokens that the scorer is asked about: see scorer.candidates; and ordinary words after a title or before what ends
    the name of a place ("miss hill", "oak grove clinic")."""
    taken = (seen.seen > 0) | (seen.kept & (seen.tokens.kind == DIGITS))
    called, tail = (np.flatnonzero(grammar.members(group)[seen.classes]) for group in ("called", "tail"))
    asked = np.zeros(len(taken), bool)
    asked[np.concatenate([called + 1, called + 2, tail - 1, tail - 2, tail - 3])] = True
    return scorer.candidates(seen.tokens, seen.known, taken, asked)


def tokens_are_words(tokens: Tokens, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which of some tokens are letters that touch no digit: part of a code only on strong evidence."""
    digits = tokens.kind == DIGITS
    touch_left = digits[rows - 1] & (tokens.end[rows - 1] == tokens.start[rows])
    touch_right = digits[rows + 1] & (tokens.end[rows] == tokens.start[rows + 1])
    return np.asarray((tokens.kind[rows] == LETTERS) & ~touch_left & ~touch_right)


def _owned(words: Hashes, owner: Ints) -> Hashes:
    """Words that belong to somebody: a word of one owner is another one than the same word of another."""
    return words ^ ((owner.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def _mask_known(seen: Look, kind: Bytes, known: Sequence[str] | None) -> None:
    """Marks the words and numbers of a patient's identifiers in structured columns, wherever they stand in the notes.

    A word such as "will" or "of" only with a capital: Mr. Will's notes keep their verbs.
    """
    if not known or not any(known):
        return
    own = tokenize(known)
    length = own.end - own.start
    telling = ((own.kind == LETTERS) & (length > 1)) | ((own.kind == DIGITS) & (length > 2))
    keys = np.unique(_owned(own.word[telling], notes_of(own)[telling]))
    tokens = seen.tokens
    rows = np.flatnonzero((kind == 0) & ((tokens.kind == LETTERS) | (tokens.kind == DIGITS)) & ~seen.fixed)
    verbs = (tokens.shape[rows] == LOWER) & (lexicon.column(seen.known[rows], "kind") == lexicon.FUNCTION)
    hit = rows[np.isin(_owned(tokens.word[rows], notes_of(tokens)[rows]), keys) & ~verbs]
    kind[hit] = np.where(tokens.kind[hit] == DIGITS, NUMBER["ID"], NUMBER["NAME"])


def _carry(seen: Look, kind: Bytes, margin: npt.NDArray[np.int32], patients: Ints, shared: Names | None) -> None:
    """Marks a word that is surely a name elsewhere in the notes of its patient, unless its context speaks clearly against
    it."""
    tokens = seen.tokens
    names = (margin >= SURE) & (kind == NUMBER["NAME"]) & (tokens.end - tokens.start > 2) & (tokens.kind == LETTERS)
    others = np.flatnonzero((margin >= -CARRIED) & (kind == 0) & (tokens.kind == LETTERS))
    sources = np.flatnonzero(names)
    if shared is None and not (len(sources) and len(others)):
        return
    owner = patients[notes_of(tokens)]
    keys = _owned(tokens.word, owner)
    known = np.isin(keys[others], np.unique(keys[sources]))
    kind[others[known]] = NUMBER["NAME"]
    if shared is not None:
        rest = others[~known]
        elsewhere = shared.exchange(tokens.word[sources], owner[sources], tokens.word[rest], owner[rest])
        kind[rest[elsewhere]] = NUMBER["NAME"]
