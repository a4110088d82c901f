"""A linear scorer of words: is this one part of a name, a place, a facility, another identifier, or none of them?

Features of a word and of what stands around it are hashed into a small table of whole numbers; a score is a sum of table
rows, so it is the same on every machine. The table is fitted by dxtune.deid_training on template families.
Source of the technique: Weinberger et al., Feature Hashing for Large Scale Multitask Learning (ICML 2009).
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dxtune.deid import lexicon
from dxtune.deid.tokens import (
    DIGITS,
    EDGE,
    LETTERS,
    LINE,
    LOWER,
    MARK,
    SMALL_LETTER,
    TITLE,
    UPPER,
    Bytes,
    Hashes,
    Ints,
    Tokens,
    hash_words,
)

FILE = Path(__file__).parent / "scorer.npz"
KINDS = ("NAME", "LOCATION", "FACILITY", "ID")
BITS = 18
FEATURES = 31
LARGEST = 1023
_C = [
    np.uint64(value | 1)
    for value in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)
]
_SHIFT, _HALF = np.uint64(64 - BITS), np.uint64(31)
_SALT = [np.uint64((place + 1) * int(_C[3]) % (1 << 64)) for place in range(FEATURES)]


def candidates(tokens: Tokens, known: Ints, taken: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Ints:
    """The tokens that are scored: all words and numbers but those that are already explained, and those that are plainly
    ordinary and not asked about."""
    ordinary = ((tokens.shape == LOWER) | (tokens.shape == SMALL_LETTER)) & ORDINARY[lexicon.column(known, "kind")]
    chosen = ((tokens.kind == LETTERS) & (~ordinary | asked)) | (tokens.kind == DIGITS)
    return np.flatnonzero(chosen & ~taken)


ORDINARY = np.isin(np.arange(32), (lexicon.FUNCTION, lexicon.COMMON, lexicon.MEDICAL, lexicon.SOME_MEDICAL, lexicon.DRUG))


def features(tokens: Tokens, known: Ints, classes: Bytes, seen: Bytes, rows: Ints) -> npt.NDArray[np.int32]:
    """The hashed features of the tokens `rows`: (rows, features), each below 2**BITS.

    known: from lexicon.look_up. classes: from grammar.classify. seen: of each token the number of the kind that the grammar
    gave it, 0 if none: such a token is known to its neighbours by its kind alone, as its placeholder will be.
    """
    small = np.where(tokens.kind == LETTERS, 128 + lexicon.column(known, "kind"), classes)
    small = np.where(seen > 0, 200 + seen, small).astype(np.uint64)
    word = np.where(seen > 0, np.uint64(77) * seen.astype(np.uint64), tokens.word)
    shape = np.where(seen > 0, 9, tokens.shape).astype(np.uint64)
    gap = tokens.gap.astype(np.uint64)
    label = _line_labels(tokens)
    case = _line_case(tokens)

    mine = known[rows] & lexicon.KNOWN

    def at(values: npt.NDArray[Any], step: int) -> Hashes:
        return np.asarray(values[rows + step])

    def c(name: str) -> Hashes:
        return lexicon.column(mine, name).astype(np.uint64)

    s0, s1, sm1, s2, sm2 = (at(shape, step) for step in (0, 1, -1, 2, -2))
    w0, w1, wm1, w2, wm2 = (at(word, step) for step in (0, 1, -1, 2, -2))
    k0, k1, km1, k2, km2, k3, km3 = (at(small, step) for step in (0, 1, -1, 2, -2, 3, -3))
    g0, g1 = at(gap, 0), at(gap, 1)
    line_case = case[rows]
    own = k0 * np.uint64(16) + s0
    packed = mine.astype(np.uint64)
    length = np.minimum(tokens.end[rows] - tokens.start[rows], 12).astype(np.uint64)
    names = c("surname") * np.uint64(8) + c("first")
    templates = [
        own,
        own * np.uint64(8) + line_case,
        packed,
        c("english") * np.uint64(64) + c("capital") * np.uint64(8) + s0,
        names * np.uint64(16) + s0,
        (names * np.uint64(16) + c("english")) * np.uint64(8) + c("capital"),
        (c("place") * np.uint64(8) + c("clinical")) * np.uint64(16) + s0,
        tokens.tails(rows) + s0,
        tokens.heads(rows) + s0,
        w0,
        wm1 * np.uint64(16) + s0,
        w1 * np.uint64(16) + s0,
        (wm1 + own) ^ np.uint64(0x5555),
        (w1 + own) ^ np.uint64(0x3333),
        wm1 * _C[1] + wm2,
        w1 * _C[1] + w2,
        wm1 * _C[2] + w1,
        wm2 * np.uint64(16) + s0,
        w2 * np.uint64(16) + s0,
        (km1 * np.uint64(256) + own) * np.uint64(4) + g0,
        (k1 * np.uint64(256) + own) * np.uint64(4) + g1,
        ((km1 * np.uint64(256) + k1) * np.uint64(4096) + own) * np.uint64(4) + g0 * np.uint64(2) + g1,
        (km2 * np.uint64(256) + km1) * np.uint64(4096) + own,
        (k2 * np.uint64(256) + k1) * np.uint64(4096) + own,
        ((sm1 * np.uint64(16) + s0) * np.uint64(16) + s1) * np.uint64(4) + g0 * np.uint64(2) + g1,
        (((sm2 * np.uint64(16) + sm1) * np.uint64(16) + s0) * np.uint64(16) + s1) * np.uint64(16) + s2,
        ((km3 * np.uint64(256) + km2) * np.uint64(256) + km1) * np.uint64(16) + s0,
        ((k1 * np.uint64(256) + k2) * np.uint64(256) + k3) * np.uint64(16) + s0,
        label[rows] * np.uint64(16) + s0,
        label[rows] + own,
        length * np.uint64(256) + own,
    ]
    result = np.empty((len(templates), len(rows)), np.int32)
    shifted = np.empty(len(rows), np.uint64)
    for place, values in enumerate(templates):  # in place: a column at a time stays in the processor's cache
        mixed = values + _SALT[place]
        mixed *= _C[0]
        np.right_shift(mixed, _HALF, out=shifted)
        mixed ^= shifted
        mixed *= _C[4]
        mixed >>= _SHIFT
        result[place] = mixed
    return result.T


def _line_labels(tokens: Tokens) -> Hashes:
    """Of each token the hash of the word before the last colon of its line, 0 where there is none: what a form calls its
    field."""
    place = np.arange(len(tokens))
    colon = np.zeros(len(tokens), bool)
    marks = np.flatnonzero(tokens.kind == MARK)
    colon[marks] = tokens.word[marks] == _mark(":")
    last = np.maximum.accumulate(np.where(colon, place, 0))
    line = np.maximum.accumulate(np.where((tokens.kind == LINE) | (tokens.kind == EDGE), place, 0))
    inside = (last > line) & (last > 0) & (place - last < 8) & (place > last)
    return np.where(inside, tokens.word[np.maximum(last - 1, 0)], np.uint64(0)) + np.where(
        inside, np.minimum(place - last, 4), 0
    ).astype(np.uint64)


@cache
def _mark(mark: str) -> np.uint64:
    return np.uint64(hash_words([mark])[0])


def _line_case(tokens: Tokens) -> Hashes:
    """Of each token, how its line is written: 0 to 3 the share of words in capitals, and whether any word begins with one."""
    words = tokens.kind == LETTERS
    long = words & (tokens.end - tokens.start > 1)
    upper = long & (tokens.shape == UPPER)
    title = long & (tokens.shape == TITLE)
    number = np.cumsum((tokens.kind == LINE) | (tokens.kind > LINE))
    lines = int(number[-1]) + 1 if len(number) else 0
    count = np.maximum(np.bincount(number, long, lines), 1)
    uppers = np.bincount(number, upper, lines) / count
    titles = np.bincount(number, title, lines) / count
    level = (
        (uppers > 0.34).astype(np.uint64) + (uppers > 0.8) + np.uint64(3) * ((titles > 0.25).astype(np.uint64) + (titles > 0.7))
    )
    return np.asarray(level.astype(np.uint64)[number])


@cache
def weights() -> tuple[Hashes, int]:
    """The table that `score` reads, and the score from which a word is masked."""
    with np.load(FILE, allow_pickle=False) as stored:
        table = np.zeros((1 << BITS, len(KINDS)), np.int16)
        table[stored["rows"]] = stored["weights"]
        return lanes(table), int(stored["threshold"])


def version() -> str:
    """The first 12 digits of the scorer's sha256."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]


def lanes(table: npt.NDArray[np.int16]) -> Hashes:
    """A table (2**BITS, 4) of weights within +-LARGEST as one 64-bit number a row: four lanes of 16 bits, each weight made
    positive.

    The sum of FEATURES rows then adds all four kinds at once, and no lane can run over: FEATURES * 2 * LARGEST < 2**16.
    """
    return np.asarray((table + LARGEST).astype(np.uint16).view(np.uint64)[:, 0].copy())


def score(hashed: npt.NDArray[np.int32], table: Hashes) -> npt.NDArray[np.int32]:
    """The scores of some words, (words, kinds), in hundredths of a logit."""
    sums = table[hashed].sum(1)
    return np.asarray(sums.view(np.uint16).reshape(len(hashed), len(KINDS)).astype(np.int32) - FEATURES * LARGEST)
