"""MIMIC's official csv files: where they are, some of their columns, their times."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from dxtune.errors import DataError
from dxtune.shards import ROWS_PER_SHARD
from dxtune.sources.pieces import Place, Segment, pack
from dxtune.sources.row_ends import csv_rows, without_first
from dxtune.sources.streams import blocks, without_bom

TIME, DAY = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"
END_OF_DAY = timedelta(hours=23, minutes=59, seconds=59)


def find(folder: Path, table: str) -> Path | None:
    """The file of an official table: TABLE.csv or TABLE.csv.gz in any case, in the folder or up to two below (hosp/, note/)."""
    names = {f"{table}.csv", f"{table}.csv.gz"}
    found = sorted(path for depth in ("*", "*/*", "*/*/*") for path in folder.glob(depth) if path.name.lower() in names)
    if len(found) > 1:
        both = ", ".join(path.relative_to(folder).as_posix() for path in found)
        raise DataError(f"collect.path: expected one file of the table {table}, found {both}: take the others away")
    return found[0] if found else None


def need(folder: Path, table: str, what_for: str) -> Path:
    """The same; raises DataError where there is none."""
    if not folder.is_dir():
        raise DataError(f"collect.path = {folder.as_posix()!r}: expected the folder with MIMIC's files, found none: correct it")
    if (path := find(folder, table)) is None:
        raise DataError(
            f"collect.path: expected {table}.csv or {table}.csv.gz there ({what_for}), found neither: put the file there"
        )
    return path


def read_table(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """Some columns of an official file, as strings without blanks around them (null: empty), under new names.

    columns: name in the file (in any case) -> new name. Raises DataError naming file and column.
    """
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
        found = {name.strip().lower(): name for name in header}
        if missing := [name for name in columns if name not in found]:
            raise DataError(
                f"{path.name}: expected the column {missing[0].upper()}, found {', '.join(header)}: take the official file"
            )
        bare = {new: pl.col(found[name]).str.strip_chars() for name, new in columns.items()}
        clean = [pl.when(value != "").then(value).alias(new) for new, value in bare.items()]
        return pl.scan_csv(path, infer_schema=False).select(clean).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path.name}: expected MIMIC's csv or csv.gz, found another or a cut file ({type(error).__name__}): copy it again"
        ) from None


def parse_times(frame: pl.DataFrame, columns: Mapping[str, str], file: str) -> pl.DataFrame:
    """The frame with the columns (-> their names in the file) as Datetime. MIMIC shifts years to 2100 and later: any will do.

    Raises DataError at the first value that is no time.
    """
    for name, official in columns.items():
        parsed = time_of(frame[name])
        wrong = (parsed.is_null() & frame[name].is_not_null()).arg_true()
        if len(wrong):
            raise DataError(
                f"{file}, row {wrong[0] + 1}, column {official}: expected a time such as 2150-01-31 09:30:00, found another "
                "form, as a spreadsheet writes it: take the official file, not one that was saved again"
            )
        frame = frame.with_columns(parsed)
    return frame


def time_of(values: pl.Series) -> pl.Series:
    """Datetimes of strings; null where there is none, or where it has not the form 2150-01-31 09:30:00."""
    return values.str.to_datetime(TIME, strict=False, time_unit="us")


def written(charttime: pl.Series, storetime: pl.Series, chartdate: pl.Series) -> pl.Series:
    """When a note was last saved: the later of both times. A date alone, or midnight alone, counts to the end of its day.

    >>> one = lambda value: pl.Series([value], dtype=pl.String)
    >>> str(written(one("2150-01-31 09:30:00"), one("2150-01-31 11:00:00"), one(None))[0])
    '2150-01-31 11:00:00'
    >>> str(written(one(None), one(None), one("2150-01-31"))[0])
    '2150-01-31 23:59:59'
    >>> str(written(one("2150-01-31 00:00:00"), one(None), one(None))[0])
    '2150-01-31 23:59:59'
    """
    day = chartdate.str.slice(0, 10).str.to_datetime(DAY, strict=False, time_unit="us")
    frame = pl.DataFrame({"chart": time_of(charttime), "store": time_of(storetime), "day": day})
    last = pl.max_horizontal("chart", "store").fill_null(pl.col("day"))
    dateless = (last == last.dt.truncate("1d")) & pl.col("store").is_null()
    return frame.select(pl.when(dateless).then(last + END_OF_DAY).otherwise(last)).to_series()


def sha256(path: Path) -> str:
    """The hash of a file's bytes, read as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# ---- tables of notes, which are too big to be read whole ----


class Table(NamedTuple):
    """A big csv file: its name and its column names, in small letters."""

    name: str
    header: tuple[str, ...]


def segments(path: Path, wanted: tuple[str, ...]) -> Iterator[Segment[Table]]:
    """The file's rows, not parsed, as many together as a piece holds; memory holds one such part.

    Raises DataError where the header lacks a column of `wanted` or has it twice, or no row follows.
    """
    _, stream = without_bom(blocks(path, path.name))
    first, chunks = without_first(csv_rows(stream, path.name))
    try:
        fields = next(csv.reader(io.StringIO(first.decode(), newline="")), [])
    except UnicodeDecodeError:
        fields = []
    header = tuple(name.strip().lower() for name in fields)
    for name in wanted:
        if header.count(name) != 1:
            found = (
                ", ".join(header) if header and all(len(each) <= 30 and each.isidentifier() for each in header) else "no header"
            )
            raise DataError(f"{path.name}: expected the column {name.upper()} once, found {found}: take the official file")
    rows = 0
    for parts in pack([(Table(path.name, header), Place(), chunks)], ROWS_PER_SHARD):
        yield from parts
        rows += sum(part.rows for part in parts)
    if not rows:
        raise DataError(
            f"{path.name}: expected notes under the header, found none (the open demo has none): take the full table"
        )


def parse(segment: Segment[Table], wanted: tuple[str, ...]) -> pl.DataFrame:
    """The `wanted` columns of the rows as strings (null: empty), `row` (Int64, from 1), and `problem`: why a row has none.

    Python's reader: as it finds a row's end, so did the cutting.
    """
    csv.field_size_limit(2**31 - 1)
    header = segment.file.header
    places = [header.index(name) for name in wanted]
    text = segment.data.decode("utf-8", "surrogateescape")
    broken = not text.isascii() and _has_surrogates(text)
    values: list[tuple[str | None, ...]] = []
    problems: list[str | None] = []
    for fields in csv.reader(io.StringIO(text, newline="")):
        if not fields:
            continue  # a blank line is no row
        problem = None if len(fields) == len(header) else "wrong number of fields"
        if broken and problem is None and any(_has_surrogates(fields[at]) for at in places):
            problem = "not UTF-8"
        values.append(tuple(fields[at] or None for at in places) if problem is None else (None,) * len(places))
        problems.append(problem)
    if len(values) != segment.rows:
        raise DataError(
            f"{segment.file.name}, rows {segment.start.rows + 1} to {segment.start.rows + segment.rows}: expected "
            f"{segment.rows} rows, found {len(values)}: quotation marks do not match; take the official file"
        )
    frame = pl.DataFrame(values, schema=dict.fromkeys(wanted, pl.String), orient="row")
    rows = pl.Series("row", range(segment.start.rows + 1, segment.start.rows + segment.rows + 1), dtype=pl.Int64)
    return frame.with_columns(rows, pl.Series("problem", problems, dtype=pl.String))


def _has_surrogates(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
