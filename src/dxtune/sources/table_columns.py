"""Columns of parsed cells, converted to one type: each with its values and with the reasons why some cannot be used."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from dxtune.sources.table_cells import Values

MAX_TEXT_BYTES = 10_000_000  # some 3,000 pages: what is longer is no note
SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # of str.strip; polars' own set is smaller
DATE = r"^\d{4}(-\d{2}(-\d{2}([ T].*)?)?)?$"


class Unusable(Exception):
    """A value's reason to be quarantined."""


class Column(NamedTuple):
    """Values of one type, and reasons (null: none) why some cannot be used, in the order in which they count."""

    values: pl.Series
    reasons: list[pl.Series]


def verbatim(cells: Values, what: str) -> Column:
    """A text that must be there, with its white space."""

    def text(value: Any) -> str | None:
        if value is not None and not isinstance(value, str):
            raise Unusable(f"{what} is not a string")
        return value

    column = each(cells, text, what, pl.String)
    empty = column.values.is_null() | (column.values.str.strip_chars(SPACE) == "")
    long = column.values.str.len_bytes() > MAX_TEXT_BYTES
    too_long = f"{what} is longer than {MAX_TEXT_BYTES // 1_000_000} MB"
    return Column(column.values, [*column.reasons, where(empty, f"missing {what}"), where(long, too_long)])


def single(cells: Values, what: str) -> Column:
    """Values as strings without white space around them, null where there is none."""
    column = each(cells, lambda value: string(value, what), what, pl.String)
    stripped = column.values.str.strip_chars(SPACE)
    return Column(stripped.set(stripped == "", None), column.reasons)


def required(cells: Values, what: str) -> Column:
    column = single(cells, what)
    return Column(column.values, [*column.reasons, where(column.values.is_null(), f"missing {what}")])


def date(cells: Values) -> Column:
    """Dates without their time of day, null where there is none."""
    column = single(cells, "date")
    wrong = where(~column.values.str.contains(DATE), "date is not as in 2019-03-01")
    return Column(column.values.str.slice(0, 10), [*column.reasons, wrong])


def each(cells: Values, convert: Callable[[Any], Any], what: str, kind: Any) -> Column:
    """The converted values; where all are strings already and stay strings, they are not touched one by one."""
    whole = _strings(cells) if kind == pl.String else None
    if whole is not None:
        return Column(whole, [])
    made: list[Any] = []
    wrong: dict[int, str] = {}
    for at, value in enumerate(cells):
        try:
            made.append(_encodable(convert(value)))
        except Unusable as reason:
            made.append(None)
            wrong[at] = str(reason)
    return Column(pl.Series(made, dtype=kind), [sparse(wrong, len(made))])


def _strings(cells: Values) -> pl.Series | None:
    """The series, where all cells are strings that UTF-8 can write, or null."""
    if isinstance(cells, pl.Series):
        return cells
    if not set(map(type, cells)) <= {str, type(None)}:
        return None
    try:
        return pl.Series(cells, dtype=pl.String)
    except UnicodeEncodeError:
        return None


def _encodable(value: Any) -> Any:
    try:
        for part in value if isinstance(value, list) else [value]:
            (part or "").encode("utf-8")
    except UnicodeEncodeError:
        raise Unusable("half a surrogate pair") from None
    return value


def string(value: Any, what: str) -> str | None:
    """The value as a string, None where it is empty.

    >>> [string(value, "label") for value in (" flu ", 3, 3.0, 2.5, True, "", None, float("nan"))]
    ['flu', '3', '3', '2.5', 'true', None, None, None]
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list | dict | bytes):
        raise Unusable(f"{what} is not a single value")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap is a float column in many exports
    return str(value).strip() or None


def sparse(reasons: dict[int, str], rows: int) -> pl.Series:
    return pl.Series([reasons.get(at) for at in range(rows)], dtype=pl.String) if reasons else nulls(rows)


def nulls(rows: int) -> pl.Series:
    return pl.repeat(None, rows, dtype=pl.String, eager=True)


def where(wrong: pl.Series, reason: str) -> pl.Series:
    """The reason where `wrong` is true, null elsewhere."""
    return pl.select(pl.when(wrong.fill_null(False)).then(pl.lit(reason, dtype=pl.String)))[:, 0]
