"""A source in pieces: some rows each, that can be parsed in another process, and skipped where they were parsed before.

chunks = csv_rows(blocks(path, name), name)      # row_ends.py: where rows end; nothing is parsed
header, chunks = without_first(chunks)
for segments in pack([(file, start, chunks)], ROWS_PER_SHARD):   # so many rows each, of one file or of many small ones
    Piece(key, rows, read)
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import polars as pl

PIECE_BYTES = 1 << 28  # a piece of very long rows ends here, with fewer rows: memory is bounded by it
Offsets = np.ndarray[tuple[int], np.dtype[np.int64]]
File = TypeVar("File")


class Batch(NamedTuple):
    """Rows of a source, in its order: the records, and the quarantine of rows that cannot be used (records.QUARANTINE)."""

    records: pl.DataFrame
    quarantine: pl.DataFrame


class Piece(NamedTuple):
    """Some rows of a source, not parsed yet: they can be parsed elsewhere, and skipped where they were parsed before."""

    key: str  # hex hash of the bytes that hold these rows, of where they stand, and of whatever else their records depend on
    rows: int  # how many rows of the source they are
    read: Callable[[], Batch]  # picklable: functools.partial of a module-level function


class Chunk(Protocol):
    """Some rows of a file, one after another, of any number."""

    @property
    def height(self) -> int: ...
    @property
    def regular(self) -> bool: ...
    def fitting(self, first: int, size: int) -> int: ...
    def take(self, first: int, count: int) -> bytes: ...


class Rows(NamedTuple):
    """Rows as the bytes that they have in the file."""

    data: bytes
    ends: Offsets  # behind each row's line break; a blank line is no row and goes with the row after it
    regular: bool = True  # csv: quotation marks stand around whole fields and are doubled inside, nowhere else

    @property
    def height(self) -> int:
        return len(self.ends)

    def fitting(self, first: int, size: int) -> int:
        """How many rows from `first` on have up to `size` bytes together."""
        return int(np.searchsorted(self.ends[first:], self._start(first) + size, side="right"))

    def take(self, first: int, count: int) -> bytes:
        """The bytes of `count` rows."""
        return self.data[self._start(first) : int(self.ends[first + count - 1])]

    def _start(self, row: int) -> int:
        return int(self.ends[row - 1]) if row else 0


class Place(NamedTuple):
    """How much of a file stands before something."""

    rows: int = 0
    lines: int = 0
    offset: int = 0

    def behind(self, data: bytes, rows: int) -> "Place":
        """The place behind rows that stand here."""
        returns = data.count(b"\r")
        lines = data.count(b"\n") + returns - (data.count(b"\r\n") if returns else 0)
        return Place(self.rows + rows, self.lines + lines, self.offset + len(data))


class Segment(NamedTuple, Generic[File]):
    """Rows of one file that go into one piece."""

    file: File
    start: Place
    rows: int
    regular: bool
    data: bytes


def pack(files: Iterable[tuple[File, Place, Iterable[Chunk]]], rows: int) -> Iterator[list[Segment[File]]]:
    """The segments of each piece: `rows` rows (the last fewer; fewer, too, where they pass PIECE_BYTES), in order.

    `files`: what a segment says of its file, where its first row stands, and its rows.
    """
    full: list[Segment[File]] = []
    room, size = rows, PIECE_BYTES
    for file, first_place, chunks in files:
        open_parts: list[bytes] = []
        start = place = first_place
        regular = True
        for chunk in chunks:
            first = 0
            while first < chunk.height:
                fitting = min(room, chunk.fitting(first, size), chunk.height - first)
                fitting = max(fitting, 1) if size == PIECE_BYTES else fitting
                if fitting:
                    data = chunk.take(first, fitting)
                    open_parts.append(data)
                    place, regular = place.behind(data, fitting), regular and chunk.regular
                    first, room, size = first + fitting, room - fitting, size - len(data)
                if not fitting or room == 0:
                    if open_parts:
                        full.append(Segment(file, start, place.rows - start.rows, regular, b"".join(open_parts)))
                    yield full
                    full, open_parts, start, regular = [], [], place, True
                    room, size = rows, PIECE_BYTES
        if open_parts:
            full.append(Segment(file, start, place.rows - start.rows, regular, b"".join(open_parts)))
    if full:
        yield full
