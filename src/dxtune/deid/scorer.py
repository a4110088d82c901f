"""A linear scorer of words: is this one part of a name, a place, a facility, another identifier, or none of them?

Features of a word and of what stands around it are hashed into a small table of whole numbers; a score is a sum of table
rows, so it is the same on every machine. The table is fitted by dxtune.deid_training on template families.
Source of the technique: Weinberger et al., Feature Hashing for Large Scale Multitask Learning (ICML 2009).
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dxtune.deid import lexicon
from dxtune.deid.tokens import (
    DIGITS,
    EDGE,
    LETTERS,
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
FEATURES = 32
LARGEST = 1023
Words = npt.NDArray[np.uint32]
_C = [np.uint32(value) for value in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)]  # odd: xxHash's primes
_SALT = [np.uint32((place + 1) * 0x165667B1 % (1 << 32)) for place in range(FEATURES)]


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
    return np.stack([column.astype(np.int32) for column in _hashed(tokens, known, classes, seen, rows)], 1)


def _hashed(tokens: Tokens, known: Ints, classes: Bytes, seen: Bytes, rows: Ints) -> Iterator[Ints]:
    """The hashed features one by one: a column of all rows stays in the processor's cache. 32 bits are enough, and fast."""
    small = np.where(tokens.kind == LETTERS, 128 + lexicon.column(known, "kind"), classes)
    small = np.where(seen > 0, 200 + seen, small).astype(np.uint32)
    word = np.where(seen > 0, 77 * seen.astype(np.uint32), tokens.word.astype(np.uint32))
    shape = np.where(seen > 0, 9, tokens.shape).astype(np.uint32)
    at, since = (some[rows] for some in _line_labels(tokens))
    since = since.astype(np.uint32)
    label = np.where(since > 0, tokens.word[at], 0).astype(np.uint32) + since
    mine = known[rows] & lexicon.KNOWN

    def c(name: str) -> Words:
        return lexicon.column(mine, name).astype(np.uint32)

    s0, s1, sm1, s2, sm2 = (shape[rows + step] for step in (0, 1, -1, 2, -2))
    w0, w1, wm1, w2, wm2 = (word[rows + step] for step in (0, 1, -1, 2, -2))
    k0, k1, km1, k2, km2, k3, km3 = (small[rows + step] for step in (0, 1, -1, 2, -2, 3, -3))
    g0, g1 = tokens.gap[rows].astype(np.uint32), tokens.gap[rows + 1].astype(np.uint32)
    own = k0 * 16 + s0
    length = np.minimum(tokens.end[rows] - tokens.start[rows], 12).astype(np.uint32)
    names = c("surname") * 8 + c("first")
    templates = (
        own,
        own * 8 + _line_case(tokens)[rows].astype(np.uint32),
        mine.astype(np.uint32),
        c("english") * 64 + c("capital") * 8 + s0,
        names * 16 + s0,
        (names * 16 + c("english")) * 8 + c("capital"),
        (c("place") * 8 + c("clinical")) * 16 + s0,
        tokens.tails(rows).astype(np.uint32) + s0,
        tokens.heads(rows).astype(np.uint32) + s0,
        w0,
        wm1 * 16 + s0,
        w1 * 16 + s0,
        (wm1 + own) ^ 0x5555,
        (w1 + own) ^ 0x3333,
        wm1 * _C[1] + wm2,
        w1 * _C[1] + w2,
        wm1 * _C[2] + w1,
        wm2 * 16 + s0,
        w2 * 16 + s0,
        (km1 * 256 + own) * 4 + g0,
        (k1 * 256 + own) * 4 + g1,
        ((km1 * 256 + k1) * 4096 + own) * 16 + g0 * 4 + g1,
        (km2 * 256 + km1) * 4096 + own,
        (k2 * 256 + k1) * 4096 + own,
        ((sm1 * 16 + s0) * 16 + s1) * 16 + g0 * 4 + g1,
        (((sm2 * 16 + sm1) * 16 + s0) * 16 + s1) * 16 + s2,
        ((km3 * 256 + km2) * 256 + km1) * 16 + s0,
        ((k1 * 256 + k2) * 256 + k3) * 16 + s0,
        label * 16 + s0,
        label + own,
        (classes[at].astype(np.uint32) * 8 + since) * 16 + s0,
        length * 256 + own,
    )
    for salt, values in zip(_SALT, templates, strict=True):
        mixed = values + salt
        mixed *= _C[0]
        mixed ^= mixed >> np.uint32(15)
        mixed *= _C[3]
        mixed >>= np.uint32(32 - BITS)
        yield mixed.astype(np.int64)


def _line_labels(tokens: Tokens) -> tuple[Ints, Ints]:
    """Of each token which token stands before the last colon of its line, what a form calls its field, and how many tokens
    ago the colon was, 4 at the most; 0 and 0 where there is none."""
    place = np.arange(len(tokens))
    colon = np.zeros(len(tokens), bool)
    marks = np.flatnonzero(tokens.kind == MARK)
    colon[marks] = tokens.word[marks] == _mark(":")
    last = np.maximum.accumulate(np.where(colon, place, 0))
    line = np.maximum.accumulate(np.where((tokens.gap > 1) | (tokens.kind == EDGE), place, 0))
    inside = (last > line) & (place - last < 8) & (place > last)
    return np.where(inside, last - 1, 0), np.where(inside, np.minimum(place - last, 4), 0)


@cache
def _mark(mark: str) -> np.uint64:
    return np.uint64(hash_words([mark])[0])


def _line_case(tokens: Tokens) -> Hashes:
    """Of each token, how its line is written: 0 to 3 the share of words in capitals, and whether any word begins with one."""
    words = tokens.kind == LETTERS
    long = words & (tokens.end - tokens.start > 1)
    upper = long & (tokens.shape == UPPER)
    title = long & (tokens.shape == TITLE)
    number = np.cumsum((tokens.gap > 1) | (tokens.kind == EDGE))
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
        table[np.unpackbits(stored["used"]).astype(bool)] = stored["weights"].T  # a row of each kind: they pack better
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


def score(tokens: Tokens, known: Ints, classes: Bytes, seen: Bytes, rows: Ints, table: Hashes) -> npt.NDArray[np.int32]:
    """The scores of the tokens `rows`, (rows, kinds), in hundredths of a logit. The rest: as for `features`."""
    total, part = np.zeros(len(rows), np.uint64), np.empty(len(rows), np.uint64)
    for column in _hashed(tokens, known, classes, seen, rows):
        total += table.take(column, out=part, mode="clip")
    return np.asarray(total.view(np.uint16).reshape(len(rows), len(KINDS)).astype(np.int32) - FEATURES * LARGEST)
