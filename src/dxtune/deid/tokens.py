"""A batch of notes as arrays of tokens: runs of letters, runs of digits, and single marks. numpy passes, no loop over tokens.

A line end is no token, but a wide gap: whether it ends a field or only wraps a sentence is for the reader of the tokens.

A word is known by a 64-bit hash of its letters, small and without diacritics: a polynomial in an odd base, so that the hash
of any stretch of the text comes from two prefix sums.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

MARK, LETTERS, DIGITS, SPACE, LINE, EDGE = range(6)
LOWER, TITLE, UPPER, INITIAL, MIXED, SMALL_LETTER, CASELESS, NO_CASE = range(8)
MARGIN = 4
"""Edge tokens between two notes: no look to the left or right of a word reaches another note."""
_EDGES = "\x1f" * MARGIN
_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_MIX = np.uint64(0xD6E8FEB86659FD93)
_PLANE = 0x20000


@dataclass(frozen=True)
class Tokens:
    """The tokens of some notes, one after another; spaces are no tokens, but known to stand before one.

    start, end: offsets in `text`, which is all notes with edges between them. first: of each note, the offset of its first
    character. kind: MARK to EDGE. shape: LOWER to NO_CASE. word: hash of the letters, or of the mark; of digits, their number.
    mark: the first character, folded. gap: what stands before: 0 nothing, 1 space, 2 a line end, 3 an empty line. value: of up
    to 8 digits. sums: of `text`, what stretches are hashed from.
    """

    text: str
    first: Ints
    start: Ints
    end: Ints
    kind: Bytes
    shape: Bytes
    word: Hashes
    mark: npt.NDArray[Any]
    gap: Bytes
    value: Ints
    sums: Hashes

    def __len__(self) -> int:
        return len(self.start)

    def heads(self, rows: Ints) -> Hashes:
        """The hash of the first three letters of some tokens."""
        return _stretch(self.sums, self.start[rows], np.minimum(self.end[rows], self.start[rows] + 3))

    def tails(self, rows: Ints) -> Hashes:
        """The hash of the last three letters of some tokens."""
        return _stretch(self.sums, np.maximum(self.start[rows], self.end[rows] - 3), self.end[rows])


def tokenize(texts: Sequence[str]) -> Tokens:
    """The tokens of some notes.

    >>> batch = tokenize(["Dr. O'Neil, 5mg"])
    >>> [batch.text[s:e] for s, e, k in zip(batch.start, batch.end, batch.kind) if k != EDGE]
    ['Dr', '.', 'O', "'", 'Neil', ',', '5', 'mg']
    """
    text = _EDGES + _EDGES.join(texts) + _EDGES
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    first = MARGIN + np.cumsum(lengths + MARGIN) - lengths - MARGIN
    classes, folded, upper = _characters(text)
    for step in range(MARGIN):
        classes[first - 1 - step] = EDGE
        classes[-1 - step] = EDGE

    new = np.empty(len(classes), bool)
    new[0] = True
    np.not_equal(classes[1:], classes[:-1], out=new[1:])
    new |= (classes == MARK) | (classes == EDGE)
    start = np.flatnonzero(new)
    end = np.append(start[1:], len(classes))
    kind = classes[start]
    line = kind == LINE
    breaks = np.zeros(len(start), np.int64)
    breaks[line] = (end[line] - start[line] + 1) // np.where(folded[start[line]] == 13, 2, 1)  # \r\n is one
    keep = np.flatnonzero((kind != SPACE) & ~line)
    lines = np.diff(np.cumsum(breaks)[keep], prepend=0)
    gap = np.where(np.diff(keep, prepend=-1) > 1, 1 + np.minimum(lines, 2), 0).astype(np.uint8)
    start, end, kind = start[keep], end[keep], kind[keep]

    sums = _prefix_sums(folded)
    length = end - start
    word = _stretch(sums, start, end)
    digits = np.flatnonzero(kind == DIGITS)
    value = _values(folded, start, length, digits)
    word[digits] = (np.minimum(value[digits], 9999) * 16 + np.minimum(length[digits], 12)).astype(np.uint64)
    uppers = np.zeros(len(upper) + 1, np.int32)
    np.cumsum(upper, out=uppers[1:])
    mark = folded[start]
    shape = _shapes(uppers[end] - uppers[start], upper[start] == 1, length, kind, mark)
    return Tokens(text, first, start, end, kind, shape, word, mark, gap, value, sums)


def hash_words(words: Sequence[str]) -> Hashes:
    """The hash of each word, as `tokenize` gives it."""
    if not words:
        return np.zeros(0, np.uint64)
    text = "\n".join(words)
    _, folded, _ = _characters(text)
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    end = np.cumsum(lengths + 1) - 1
    return _stretch(_prefix_sums(folded), end - lengths, end)


def hash_stretches(folded: npt.NDArray[Any], start: Ints, end: Ints) -> Hashes:
    """The hash of each stretch of some folded characters, as `tokenize` gives it."""
    return _stretch(_prefix_sums(folded), start, end)


def _prefix_sums(folded: npt.NDArray[Any]) -> Hashes:
    powers = _powers(len(folded))[0][: len(folded)]
    sums = np.zeros(len(folded) + 1, np.uint64)
    np.cumsum((folded.astype(np.uint64) + np.uint64(1)) * powers, out=sums[1:])
    return sums


def _stretch(sums: Hashes, start: Ints, end: Ints) -> Hashes:
    """The hash of the characters from `start` to `end`, mixed so that each of its bits depends on all."""
    value = (sums[end] - sums[start]) * _powers(len(sums))[1][start]
    value ^= value >> np.uint64(32)
    value *= _MIX
    value ^= value >> np.uint64(29)
    return value


_POWERS: list[Hashes] = [np.ones(1, np.uint64), np.ones(1, np.uint64)]


def _powers(length: int) -> list[Hashes]:
    """The powers of the base and of its inverse, at least `length` of each."""
    if len(_POWERS[0]) < length:
        size = 1 << (length - 1).bit_length()
        for place, base in enumerate((_BASE, _INVERSE)):
            factors = np.full(size, base)
            factors[0] = 1
            _POWERS[place] = np.cumprod(factors, dtype=np.uint64)
    return _POWERS


def _characters(text: str) -> tuple[Bytes, npt.NDArray[Any], Bytes]:
    """Of each character: its class, its folded code (a digit as its ASCII form), and whether it is upper case."""
    if text.isascii():
        codes: npt.NDArray[Any] = np.frombuffer(text.encode("ascii"), np.uint8)
        tables: tuple[Bytes, npt.NDArray[Any], Bytes] = _ascii_tables()
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        tables = _tables()
        far = codes >= _PLANE
        if far.any():  # rare ideographs count as letters, what is beyond them as marks
            codes = np.where(far, np.where(codes < 0x40000, 0x4E00, 0x2B50), codes)
    classes, folded, upper = tables
    return classes[codes], folded[codes], upper[codes]


@cache
def _tables() -> tuple[Bytes, npt.NDArray[np.uint32], Bytes]:
    codes = np.arange(_PLANE, dtype=np.uint32)
    letters = codes.view("<U1")
    alpha = np.char.isalpha(letters)
    decimal = np.char.isdecimal(letters)
    space = np.char.isspace(letters) | np.isin(codes, [0x200B, 0x2060, 0xFEFF])
    classes = np.select([alpha, decimal, space], [LETTERS, DIGITS, SPACE], MARK).astype(np.uint8)
    for code in (10, 11, 12, 13, 28, 29, 30, 0x85, 0x2028, 0x2029):
        classes[code] = LINE
    folded = codes.copy()
    upper = np.char.isupper(letters).astype(np.uint8)
    for code in np.flatnonzero(decimal).tolist():
        folded[code] = 48 + unicodedata.decimal(chr(code))
    for code in np.flatnonzero(alpha & (codes < 0xAC00)).tolist():
        plain = unicodedata.normalize("NFKD", chr(code))[0].lower()
        folded[code] = ord(plain[0])
    for low, plain in zip("øđłħıŧ", "odlhit", strict=True):
        for letter in (low, low.upper()[0]):
            folded[ord(letter)] = ord(plain)
    folded[0x2019] = folded[0x2018] = folded[0x02BC] = ord("'")
    folded[0x2010] = folded[0x2011] = folded[0x2012] = folded[0x2013] = folded[0x2014] = folded[0x2212] = ord("-")
    for code in range(0x300, 0x370):  # marks that combine with a letter belong to its word
        classes[code] = LETTERS
    return classes, folded, upper


@cache
def _ascii_tables() -> tuple[Bytes, Bytes, Bytes]:
    codes = np.arange(128)
    lower, upper = (codes >= 97) & (codes <= 122), (codes >= 65) & (codes <= 90)
    decimal, space = (codes >= 48) & (codes <= 57), np.isin(codes, [9, 32, 31])
    line = np.isin(codes, [10, 11, 12, 13, 28, 29, 30])
    classes = np.select([lower | upper, decimal, line, space], [LETTERS, DIGITS, LINE, SPACE], MARK).astype(np.uint8)
    return classes, np.where(upper, codes + 32, codes).astype(np.uint8), upper.astype(np.uint8)


def _values(folded: npt.NDArray[Any], start: Ints, length: Ints, rows: Ints) -> Ints:
    """The number that each run of up to eight digits is; of a longer one, that of its first eight digits; 0 of all but
    `rows`."""
    value = np.zeros(len(start), np.int64)
    begin, size = start[rows], length[rows]
    for place in range(8):
        more = size > place
        rows, begin, size = rows[more], begin[more], size[more]
        value[rows] = value[rows] * 10 + (folded[begin + place].astype(np.int64) - 48)
    return value


def _shapes(uppers: Ints, initial: npt.NDArray[np.bool_], length: Ints, kind: Bytes, folded: npt.NDArray[Any]) -> Bytes:
    single = length == 1
    shape = np.full(len(kind), LOWER, np.uint8)
    for code, which in (  # of several the last counts
        (SMALL_LETTER, single),
        (CASELESS, folded > 0x24F),
        (MIXED, uppers > 0),
        (TITLE, initial & (uppers == 1)),
        (UPPER, uppers == length),
        (INITIAL, single & initial),
        (NO_CASE, kind != LETTERS),
    ):
        shape[which] = code
    return shape
