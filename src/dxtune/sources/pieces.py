"""A source in pieces: some rows each, that can be parsed in another process, and skipped where they were parsed before."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl


class Batch(NamedTuple):
    """Rows of a source, in its order: the records, and the quarantine of rows that cannot be used (records.QUARANTINE)."""

    records: pl.DataFrame
    quarantine: pl.DataFrame


class Piece(NamedTuple):
    """Some rows of a source, not parsed yet: they can be parsed in another process, and skipped where they were parsed before."""

    key: str  # hex hash of the bytes that hold these rows, of where they stand, and of whatever else their records depend on
    rows: int  # how many rows of the source they are
    read: Callable[[], Batch]  # picklable: functools.partial of a module-level function
