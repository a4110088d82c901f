"""What is masked in notes as spans: columns for many notes at once."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dxtune.deid.completing import SLACK
from dxtune.deid.looks import IDENTIFIER, notes_of
from dxtune.deid.marking import Marked
from dxtune.deid.spans import TYPES, Span
from dxtune.deid.tokens import LETTERS, Bytes, Ints


class Findings(NamedTuple):
    """The spans of some notes as columns, in the order of the notes: note, start, end, kind (TYPES from 1), rule (RULES),
    margin."""

    note: Ints
    start: Ints
    end: Ints
    kind: Bytes
    rule: Bytes
    margin: npt.NDArray[np.int32]

    def triples(self, notes: int) -> list[list[tuple[int, int, str]]]:
        """The spans of each note as plain tuples: start, end, type."""
        kinds = [TYPES[kind - 1] for kind in self.kind.tolist()]
        rows = list(zip(self.start.tolist(), self.end.tolist(), kinds, strict=True))
        return [rows[a:b] for a, b in self._bounds(notes)]

    def spans(self, notes: int) -> list[list[Span]]:
        """The spans of each note."""
        return [list(map(Span._make, some)) for some in self.triples(notes)]

    def reasons(self, notes: int) -> list[list[tuple[int, int]]]:
        """Of each span of each note its rule and its margin."""
        rows = list(zip(self.rule.tolist(), self.margin.tolist(), strict=True))
        return [rows[a:b] for a, b in self._bounds(notes)]

    def _bounds(self, notes: int) -> Iterator[tuple[int, int]]:
        return pairwise(np.searchsorted(self.note, np.arange(notes + 1)).tolist())


def runs(marked: Marked) -> tuple[Ints, Ints]:
    """The first and the last token of each span: tokens of one type with at most one space between them; an identifier of the
    grammar stays one span."""
    tokens = marked.look.tokens
    rows = np.flatnonzero(marked.kind)
    start, end, what = tokens.start[rows], tokens.end[rows], marked.kind[rows]
    whole = tokens.kind[rows] == IDENTIFIER
    new = np.ones(len(rows), bool)
    apart = (np.diff(rows) > 1) | (start[1:] - end[:-1] > 1) | (tokens.gap[rows[1:]] > 1)
    new[1:] = apart | (what[1:] != what[:-1]) | whole[1:] | whole[:-1]
    first = np.flatnonzero(new)
    return rows[first], rows[np.append(first[1:], len(rows))[: len(first)] - 1]


def findings(marked: Marked) -> Findings:
    """The spans, as columns: see `runs`."""
    tokens = marked.look.tokens
    first, last = runs(marked)
    begin, stop = tokens.start[first], tokens.end[last]
    note = np.searchsorted(tokens.first, begin, side="right") - 1
    offset = tokens.first[note] if len(first) else begin
    edges = np.stack([first, last + 1], 1).ravel()
    margin = np.maximum.reduceat(np.append(marked.margin, 0), edges)[::2]
    return Findings(note, begin - offset, stop - offset, marked.kind[first], marked.rule[first], margin)


_NONE, _NO_KIND = np.zeros(0, np.int64), np.zeros(0, np.uint8)
NOTHING = Findings(_NONE, _NONE, _NONE, _NO_KIND, _NO_KIND, np.zeros(0, np.int32))


def together(found: Sequence[Findings]) -> Findings:
    """Several findings as one, in the order of the notes."""
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return Findings(*(column[order] for column in columns))


def doubtful(marked: Marked) -> tuple[Ints, Ints, Ints]:
    """The words that the scorer was unsure of and that were not masked: note, start and end of each."""
    rows = np.flatnonzero((marked.kind == 0) & (marked.margin > -2 * SLACK) & (marked.look.tokens.kind == LETTERS))
    note = notes_of(marked.look.tokens)[rows]
    offset = marked.look.tokens.first[note] if len(rows) else rows
    return note, marked.look.tokens.start[rows] - offset, marked.look.tokens.end[rows] - offset
