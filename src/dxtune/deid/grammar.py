"""The grammar of identifiers and of clinical numbers: RE2 over a string with one character a token.

A note of 2,400 characters becomes some 900 classes of tokens ("a month", "two digits up to 12", "a unit", a mark as it is), so
the patterns are short, see no values, and are linear in time whatever the note. patterns.py holds them; judging.py decides by
the form of a value.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from dxtune.deid.judging import LABELS, judge
from dxtune.deid.patterns import DATES, EITHER_CLASS, KEEP, PATTERNS, codes, compiled
from dxtune.deid.tokens import DIGITS, EDGE, LETTERS, Bytes, Ints, Tokens


class Machine:
    """The compiled patterns: one alternation that finds, and a set that says which pattern it was."""

    def __init__(self) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.longest_match = True
        options.max_mem = 64 << 20
        patterns = [(kind, compiled(pattern)) for kind, pattern in PATTERNS]
        self.kinds = [kind for kind, _ in patterns]
        self.single: list[Any] = [re2.compile(pattern, options) for _, pattern in patterns]
        self.which: Any = re2.Set.FullMatchSet(options)
        for _, pattern in patterns:
            self.which.Add(pattern)
        self.which.Compile()
        union = b"|".join(pattern.replace(b"(?P<v>", b"(?:") for _, pattern in patterns)
        self.union: Any = re2.compile(union, options)
        self.date: Any = re2.compile(compiled("|".join(DATES)), options)
        self.told: dict[bytes, tuple[int, int, str]] = {}

    def stretches(self, classes: bytes) -> list[tuple[int, int]]:
        """Where a pattern fits: from left to right, none overlapping, each the longest that begins there.

        What `union.finditer` gives. That takes as long again as the search, so the compiled expression is asked itself.
        """
        match, size = self.union._regexp.Match, len(classes)
        found = []
        start, end = match(_ANYWHERE, classes, 0, size)[0]
        while start >= 0:
            found.append((start, end))
            start, end = match(_ANYWHERE, classes, end, size)[0]
        return found

    def tell(self, classes: bytes) -> tuple[int, int, str]:
        """Where in some classes the identifier stands, and its kind; KEEP where it is none. A function of the classes alone."""
        if (known := self.told.get(classes)) is None:
            known = self.told[classes] = self._tell(classes)
            if len(self.told) > 1 << 16:
                self.told.clear()
        return known

    def _tell(self, classes: bytes) -> tuple[int, int, str]:
        fitting = self.which.Match(classes)
        if not fitting:
            return 0, len(classes), "ID"
        kind = self.kinds[min(fitting)]
        start, end = 0, len(classes)
        if self.single[min(fitting)].groups:
            start, end = self.single[min(fitting)].fullmatch(classes).span(1)
            the = ord(codes()[0]["the"])
            glued = codes()[1]["alnum"]
            while start and chr(classes[start - 1]) in glued and chr(classes[start]) in glued:
                start -= 1
            while kind in LABELS and start > 1 and classes[start - 1] == ord("-") and chr(classes[start - 2]) in glued:
                start -= 2
            if kind == "DATE" and start > 1 and classes[start - 2] == the:
                start -= 2
        found = judge(kind, classes[start:end].decode("latin-1"))
        if found == KEEP and kind in LABELS and self.date.fullmatch(classes[start:end]):
            found = "DATE"
        return start, end, found


_ANYWHERE = re2._Anchor.UNANCHORED


@cache
def machine() -> Machine:
    return Machine()


@cache
def members(group: str) -> npt.NDArray[np.bool_]:
    """Which of the 256 classes belong to words of a group."""
    table = np.zeros(256, bool)
    table[[ord(code) for code in codes()[1][group]]] = True
    return table


@cache
def marks(some: bytes) -> npt.NDArray[np.bool_]:
    """Which of the 256 classes are some marks."""
    return np.isin(np.arange(256), np.frombuffer(some, np.uint8))


def word_codes() -> dict[str, str]:
    """Of each word of the vocabulary its class."""
    return codes()[0]


def classify(tokens: Tokens, code: Bytes) -> Bytes:
    """The class of each token: one byte, as the patterns read it. code: of each word its class in the vocabulary, or 0."""
    result = _CASES[tokens.shape]
    np.copyto(result, code, where=code > 0)
    rest = np.flatnonzero(tokens.kind != LETTERS)
    result[rest] = _mark_codes()[np.minimum(tokens.mark[rest].astype(np.uint32), 0x2FFF)]
    result[tokens.kind == EDGE] = 0
    digits = np.flatnonzero(tokens.kind == DIGITS)
    result[digits] = _digit_codes(tokens.value[digits], (tokens.end - tokens.start)[digits])
    return result


_CASES = np.array([ord(code) for code in "wCUIClXX"], np.uint8)  # by shape


@cache
def _mark_codes() -> Bytes:
    """ASCII marks stand for themselves, typographic ones for their plain form, all others for `?`."""
    table = np.full(0x3000, ord("?"), np.uint8)
    for code in range(33, 127):
        if not chr(code).isalnum() and code != EITHER_CLASS:
            table[code] = code
    for code in (0x2010, 0x2011, 0x2012, 0x2013, 0x2014):
        table[code] = ord("-")
    table[[0x2018, 0x2019]] = ord("'")
    return table


def _digit_codes(value: Ints, length: Ints) -> Bytes:
    by_length = np.frombuffer(b"\0i.tfvsSeNTL", np.uint8)
    code = by_length[np.minimum(length, 11)].copy()
    one, two, three, four, eight = (length == size for size in (1, 2, 3, 4, 8))
    code[one & (value == 0)] = ord("z")
    code[one & ((value == 5) | (value == 6))] = ord("j")
    pairs = np.select(
        [value == 0, value < 10, value == 10, value < 13, value < 32, value < 90], [ord(c) for c in "Opqmdk"], ord("n")
    )
    code[two] = pairs[two]
    code[three & (value < 100)] = ord("o")
    code[four & (value < 1000)] = ord("r")
    code[three & (value >= 100) & (value <= 130)] = ord("h")
    code[four & (value >= 1900) & (value < 1940)] = ord("Y")
    code[four & (value >= 1940) & (value < 2100)] = ord("y")
    year, month, day = value // 10000, value // 100 % 100, value % 100
    code[eight & (year >= 1900) & (year < 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)] = ord("E")
    return code


def find(tokens: Tokens, classes: Bytes) -> tuple[Ints, Ints, list[str]]:
    """The stretches of tokens that the grammar knows, in order, none overlapping: first, last (exclusive), and kind.

    KEEP: they are explained. EITHER: the scorer is to be asked.
    """
    place = np.arange(len(tokens)) + np.cumsum(tokens.gap > 0)
    line = np.full(int(place[-1]) + 1, 32, np.uint8)
    line[place] = classes
    at = np.empty(len(line), np.int64)
    at[place] = np.arange(len(tokens))
    gaps = np.flatnonzero(tokens.gap)
    at[place[gaps] - 1] = gaps
    line[place[gaps] - 1] = np.where(tokens.gap[gaps] > 1, 10, 32)
    text = line.tobytes()
    told, tell = machine().told, machine().tell
    starts, ends, kinds = [], [], []
    for start, end in machine().stretches(text):
        some = text[start:end]
        first, last, kind = told.get(some) or tell(some)
        starts.append(start + first)
        ends.append(start + last - 1)
        kinds.append(kind)
    return at[starts], at[ends] + 1, kinds
