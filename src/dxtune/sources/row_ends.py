"""Where the rows of a text file end, found by compiled passes over its bytes: nothing is parsed.

Quotation marks are read as RFC 4180 and Python's csv do: one at the very start of a field opens it, and inside an open
field one closes it unless it is doubled. Any other (5" needle) is a character as others are. So a row with a stray mark
ends where Python's reader ends it, and no good row after it is lost.
"""

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from dxtune.errors import DataError
from dxtune.sources.pieces import Offsets, Rows

MAX_ROW_BYTES = 1 << 26  # a longer row is a quotation mark that nothing closes, or no text
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
QUOTE, LINE_FEED, RETURN = b'"\n\r'


def csv_rows(stream: Iterable[bytes], name: str, separator: bytes = b",") -> Iterator[Rows]:
    """Where the rows of a csv end, block after block; the header is the first row.

    Line breaks are \\n, \\r\\n and \\r. A byte order mark must be off. Raises DataError where a row has no end.

    >>> [chunk.ends.tolist() for chunk in csv_rows([b'a,"b\\n', b'c"\\n\\nd', b',5" e\\n'], "doctest")]
    [[8], [8]]
    """
    opening = separator + b"\n\r"  # a field may start behind these, and ends before them
    opens_behind, closes_before = _any_of(opening), _any_of(opening + b'"')
    inside, closed, last, regular = False, False, LINE_FEED, True
    unfinished, rows = _Unfinished(name, blank=b"\r\n"), 0
    for block, final in _with_last(stream):
        data = unfinished.held + block
        unfinished.held = b"\r" if data.endswith(b"\r") and not final else b""  # the other half of \r\n may follow
        data = data[:-1] if unfinished.held else data
        if not data and not (final and unfinished.size):
            continue
        array = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(array == QUOTE)
        before = np.where(quotes > 0, array[quotes - 1], last)
        after = array[np.minimum(quotes + 1, len(array) - 1)]
        opens = (np.arange(len(quotes)) % 2 == 1) == inside
        doubled = np.diff(quotes, prepend=-1 if closed else -2) == 1
        if closed and data and not closes_before[data[0]]:
            regular = False
        if not np.all(~opens | doubled | opens_behind[before]):
            quotes, regular = _delimiting(data, quotes, opening, inside, closed, last), False
        elif not np.all(opens | closes_before[after] | (quotes == len(array) - 1)):
            regular = False
        breaks = np.flatnonzero((array == LINE_FEED) | (array == RETURN))
        breaks = breaks[(array[breaks] == LINE_FEED) | (array[np.minimum(breaks + 1, len(array) - 1)] != LINE_FEED)]
        outside = (np.searchsorted(quotes, breaks) % 2 == 1) == inside
        inside ^= len(quotes) % 2 == 1
        if data:
            closed, last = bool(len(quotes)) and not inside and int(quotes[-1]) == len(data) - 1, data[-1]
        regular = regular and not (final and inside)
        if chunk := unfinished.finish(data, breaks[outside], regular, final, rows):
            yield chunk
            rows, regular = rows + chunk.height, regular or not unfinished.parts


def line_rows(stream: Iterable[bytes], name: str) -> Iterator[Rows]:
    """Where lines end (\\n only, as in json lines), block after block. Raises DataError where a line has no end.

    >>> [chunk.ends.tolist() for chunk in line_rows([b"{}\\n  \\n{", b"}"], "doctest")]
    [[3], [5]]
    """
    unfinished, rows = _Unfinished(name, blank=b" \t\r\n\v\f"), 1
    for block, final in _with_last(stream):
        breaks = np.flatnonzero(np.frombuffer(block, np.uint8) == LINE_FEED)
        if chunk := unfinished.finish(block, breaks, True, final, rows):
            yield chunk
            rows += chunk.height


class _Unfinished:
    """The bytes behind the last whole row: they are scanned once and joined once, so that time stays linear."""

    def __init__(self, name: str, blank: bytes) -> None:
        self.name, self.blank, self.white, self.held = name, blank, _any_of(blank), b""
        self.parts, self.size = list[bytes](), 0

    def finish(self, data: bytes, breaks: Offsets, regular: bool, final: bool, row: int) -> Rows | None:
        """The rows that end in `data` (at its end, too, if it is the last), given the line breaks that end rows."""
        before = self.size
        if not len(breaks) and not final:
            self._keep(data, row)
            return None
        data = b"".join((*self.parts, data))
        ends = breaks + (before + 1)
        if final and data and (not len(ends) or ends[-1] < len(data)):
            ends = np.append(ends, len(data))
        ends = ends[~self._blank(data, ends, bool(before))]
        rest = int(ends[-1]) if len(ends) else 0
        self.parts, self.size = [], 0
        if not final:
            self._keep(data[rest:], row + len(ends))
        return Rows(data[:rest], ends, regular) if len(ends) else None

    def _blank(self, data: bytes, ends: Offsets, joined: bool) -> Flags:
        """Which lines say nothing. Only lines that begin with white space are looked at one by one."""
        starts = np.append(0, ends[:-1])[: len(ends)]
        first = np.frombuffer(data, np.uint8)[starts]
        blank: Flags = first == LINE_FEED
        for at in np.flatnonzero(self.white[first] & ~blank).tolist():
            blank[at] = not data[starts[at] : ends[at]].strip(self.blank)
        if joined:
            blank[:1] = [not data[: ends[0]].strip(self.blank)]
        return blank

    def _keep(self, data: bytes, row: int) -> None:
        if data:
            self.parts.append(data)
            self.size += len(data)
        if self.size > MAX_ROW_BYTES:
            raise DataError(
                f"{self.name}, row {row}: expected a row of up to {MAX_ROW_BYTES >> 20} MB, found no end to it: close its "
                "quotation mark or end its line, or take it out"
            )


@cache
def _any_of(marks: bytes) -> Flags:
    """For each byte whether it is one of these: to be looked up for whole arrays."""
    return np.isin(np.arange(256), np.frombuffer(marks, np.uint8))


def _with_last(stream: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The blocks, then an empty one that is the last."""
    yield from ((block, False) for block in stream)
    yield b"", True


def _delimiting(data: bytes, quotes: Offsets, opening: bytes, inside: bool, closed: bool, last: int) -> Offsets:
    """The quotation marks that open or close a field, one after another: needed only where some are mere characters."""
    kept, closed_at = [], -1 if closed else -2
    for at in quotes.tolist():
        if inside:
            inside, closed_at = False, at
        elif (data[at - 1] if at else last) in opening or closed_at == at - 1:
            inside = True
        else:
            continue
        kept.append(at)
    return np.array(kept, dtype=np.int64)


def without_first(chunks: Iterator[Rows]) -> tuple[bytes, Iterator[Rows]]:
    """The bytes of the first row (the header; empty where there is no row), and the rows behind it."""
    first = next(chunks, None)
    if first is None:
        return b"", chunks
    head = first.take(0, 1)

    def rest() -> Iterator[Rows]:
        if first.height > 1:
            yield Rows(first.data[len(head) :], first.ends[1:] - len(head), first.regular)
        yield from chunks

    return head, rest()
