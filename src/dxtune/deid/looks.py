"""The first thing that is done to a batch of notes: tokens, what the grammar explains or claims, what the lexicon knows.

One batch is one set of arrays. An identifier that the grammar finds becomes one token, exactly as the placeholder that will
stand for it, so that a second look at the de-identified note sees the same neighbours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dxtune.deid import checksums, grammar, lexicon
from dxtune.deid.patterns import EITHER, EITHER_CLASS, POSTCODE
from dxtune.deid.spans import TYPES, placeholders
from dxtune.deid.tokens import DIGITS, LETTERS, NO_CASE, Bytes, Ints, Tokens, hash_words, tokenize

IDENTIFIER = 6
"""The kind of a token that the grammar or a placeholder claims whole."""
NUMBER = {kind: number for number, kind in enumerate(TYPES, start=1)}
PLACEHOLDER = 0x7F
"""The class of a placeholder in the grammar: no pattern holds it."""
PER_TOKEN = ("start", "end", "kind", "shape", "word", "mark", "gap", "value")


@dataclass(frozen=True)
class Look:
    """Some notes after the grammar: one token an identifier. seen: the number of its type, 0 for all else. fixed: it is a
    placeholder.

    kept: the grammar explains it. known: what the lexicon holds of it.
    """

    tokens: Tokens
    classes: Bytes
    seen: Bytes
    fixed: npt.NDArray[np.bool_]
    kept: npt.NDArray[np.bool_]
    known: Ints


def look(texts: Sequence[str]) -> Look:
    """The tokens of some notes, with what the grammar says of them."""
    tokens = tokenize(texts)
    known = np.zeros(len(tokens), np.int64)
    letters = np.flatnonzero(tokens.kind == LETTERS)
    known[letters] = lexicon.look_up(tokens.word[letters])
    classes = grammar.classify(tokens, lexicon.column(known, "code").astype(np.uint8))
    none = np.zeros(len(tokens), bool)
    seen = Look(tokens, classes, np.zeros(len(tokens), np.uint8), none, none, known)
    if there := placeholders(tokens.text):
        first = np.searchsorted(tokens.start, [start for start, _, _ in there])
        last = np.searchsorted(tokens.start, [stop for _, stop, _ in there])
        seen = _replaced(seen, first, last, np.array([NUMBER[kind] for _, _, kind in there], np.uint8))
    return _explained(seen)


def look_again(seen: Look, runs: tuple[Ints, Ints], kind: Bytes, notes: Ints) -> Look:
    """What `look` would give of some of the notes, by number, with a placeholder in place of each run that is marked.

    runs: the first and the last token of each; kind: of each token the number of its type. It takes the tokens that are there:
    nothing is read, hashed or looked up again. Offsets stay those of the original text.
    """
    first, last = runs
    seen = _replaced(seen, first, last + 1, kind[first])
    chosen = np.zeros(len(seen.tokens.first) + 1, bool)
    chosen[notes] = chosen[-1] = True  # the edges before the first note are those of note -1
    if len(notes) < len(seen.tokens.first):
        seen = _chosen(seen, np.flatnonzero(chosen[notes_of(seen.tokens)]))
    return _explained(seen)


def _chosen(seen: Look, rows: Ints) -> Look:
    """Some of the tokens of a look."""
    columns: dict[str, Any] = {name: getattr(seen.tokens, name)[rows] for name in PER_TOKEN}
    tokens = replace(seen.tokens, **columns)
    return Look(tokens, seen.classes[rows], seen.seen[rows], seen.fixed[rows], seen.kept[rows], seen.known[rows])


def _replaced(seen: Look, first: Ints, last: Ints, numbers: Bytes) -> Look:
    """The look with one token, a placeholder, in place of each run of tokens from `first` to before `last`."""
    tokens = seen.tokens
    values = {"end": tokens.end[last - 1], "kind": IDENTIFIER, "shape": NO_CASE, "value": 0}
    values |= {"word": hash_words(["["])[0], "mark": ord("[")}
    tokens = _with_values(tokens, first, values)
    classes, known = _with(seen.classes, first, PLACEHOLDER), _with(seen.known, first, 0)
    none = np.zeros(len(classes), bool)
    seen = Look(tokens, classes, _with(seen.seen, first, numbers), _with(seen.fixed, first, True), none, known)
    return _chosen(seen, _without(first + 1, last, len(classes)))


def _with_values(tokens: Tokens, rows: Ints, values: dict[str, Any]) -> Tokens:
    """The tokens with other values in some rows of some columns."""
    columns: dict[str, Any] = {name: _with(getattr(tokens, name), rows, value) for name, value in values.items()}
    return replace(tokens, **columns)


def _with(column: npt.NDArray[Any], rows: Ints, value: Any) -> npt.NDArray[Any]:
    """The column with another value in some rows."""
    column = column.copy()
    column[rows] = value
    return column


def _explained(seen: Look) -> Look:
    """The look with what the grammar says: one token an identifier, and which tokens it explains."""
    tokens = seen.tokens
    first, last, kinds = grammar.find(tokens, seen.classes)
    number = np.array([NUMBER.get(kind, 0) for kind in kinds], np.uint8)
    either = np.array([kind == EITHER for kind in kinds], bool)
    for at in [at for at, kind in enumerate(kinds) if kind == POSTCODE]:
        if _POSTCODE.fullmatch(tokens.text, int(tokens.start[first[at]]), int(tokens.end[last[at] - 1])):
            number[at] = NUMBER["LOCATION"]
    kept = np.zeros(len(tokens), bool)
    explained = (number == 0) & ~either
    kept[ranges(first[explained], last[explained])] = True
    first, last, number, either = first[~explained], last[~explained], number[~explained], either[~explained]
    length = tokens.end[last - 1] - tokens.start[first]
    for row in np.flatnonzero((number == NUMBER["ID"]) & (length >= checksums.SHORTEST) & (length <= checksums.LONGEST)):
        value = tokens.text[tokens.start[first[row]] : tokens.end[last[row] - 1]]
        number[row] = NUMBER[checksums.kind_of(value) or "ID"]
    kind = np.where(either, DIGITS, IDENTIFIER)
    word = np.where(either, tokens.word[first] * np.uint64(31) + tokens.word[last - 1], tokens.word[first])
    tokens = _with_values(tokens, first, {"end": tokens.end[last - 1], "kind": kind, "shape": NO_CASE, "word": word})
    classes = _with(seen.classes, first[either], EITHER_CLASS)
    seen = Look(tokens, classes, _with(seen.seen, first, number), seen.fixed, kept, seen.known)
    return _chosen(seen, _without(first + 1, last, len(kept)))


_POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]?\s[0-9][A-Z]{2}")
"""A postcode of the United Kingdom: what the classes of the grammar cannot see is that its letters are capitals."""


def _without(first: Ints, last: Ints, size: int) -> Ints:
    """All numbers below `size` but those from each `first` to before its `last`."""
    there = np.ones(size, bool)
    there[ranges(first, last)] = False
    return np.flatnonzero(there)


def ranges(first: Ints, last: Ints) -> Ints:
    """All numbers from each `first` to before its `last`."""
    length = last - first
    return np.repeat(first - np.cumsum(length) + length, length) + np.arange(int(length.sum()))


def notes_of(tokens: Tokens) -> Ints:
    """Of each token the number of its note."""
    return np.searchsorted(tokens.first, tokens.start, side="right") - 1
