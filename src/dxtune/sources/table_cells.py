"""What stands in the columns of a segment of a file: parsed, not judged."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv

from dxtune.errors import DataError
from dxtune.sources.pieces import Place, Segment
from dxtune.sources.table_files import File

SMALL_BYTES = 1 << 14  # up to here Python's reader is as fast as Arrow's
EXACT = 1 << 53  # a float from here on may stand for a whole number with more digits
ABSENT = object()
Values = list[Any] | pl.Series


class Cells(NamedTuple):
    """Rows of one file."""

    file: File
    numbers: list[int]  # of the rows, as messages name them
    columns: list[Values]
    broken: dict[int, str]  # position -> why the row has no cells


def read(segment: Segment[File], wanted: Sequence[str]) -> Cells:
    """The wanted columns of a segment. Raises DataError, naming the row, where the file itself is broken there."""
    try:
        return READERS[segment.file.format](segment, wanted)
    except UnicodeDecodeError:
        raise wrong_encoding(segment.file, segment.data, segment.start) from None


def _csv(segment: Segment[File], wanted: Sequence[str]) -> Cells:
    text = segment.data.decode("utf-8")
    first = segment.start.rows + 1
    places = [segment.file.header.index(name) for name in wanted]
    if segment.regular and len(segment.data) > SMALL_BYTES:
        columns = _arrow_csv(segment, places)
        if columns is not None:
            return Cells(segment.file, list(range(first, first + segment.rows)), columns, {})
    rows: list[list[str | None]] = []
    broken: dict[int, str] = {}
    for at, fields in enumerate(csv_fields(text, segment.file.name, segment.start)):
        same = len(fields) == len(segment.file.header)
        if not same:
            broken[at] = "wrong number of fields"
        rows.append([fields[place] for place in places] if same else [None] * len(places))
    cells: list[Values] = [list(column) for column in zip(*rows, strict=True)]
    return Cells(segment.file, list(range(first, first + len(rows))), cells, broken)


def _arrow_csv(segment: Segment[File], places: list[int]) -> list[Values] | None:
    """Ten times as fast, and the same where all rows have all fields; None where they do not."""
    names = [str(at) for at in range(len(segment.file.header))]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(segment.data),
            arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=len(segment.data) + 1),
            arrow_csv.ParseOptions(newlines_in_values=True),
            arrow_csv.ConvertOptions(
                include_columns=[names[place] for place in places], column_types=dict.fromkeys(names, pa.string())
            ),
        )
    except pa.ArrowInvalid:
        return None
    return [pl.Series(table.column(names[place])) for place in places] if table.num_rows == segment.rows else None


def csv_fields(text: str, name: str, start: Place) -> Iterator[list[str]]:
    """The fields of each row. Raises DataError, naming row and line, where quotation marks are not as RFC 4180 wants them."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = start.rows
    try:
        for fields in reader:
            if fields:  # [] is a blank line between rows
                row += 1
                yield fields
    except csv.Error as error:
        raise DataError(
            f"{name}, row {row + 1} (line {start.lines + reader.line_num}): expected fields quoted as in RFC 4180, found: "
            f'{error}. Double the quotation marks inside a field ("") or export the file again'
        ) from None


def _json_lines(segment: Segment[File], wanted: Sequence[str]) -> Cells:
    numbers: list[int] = []
    rows: list[list[Any]] = []
    broken: dict[int, str] = {}
    for number, line in enumerate(segment.data.split(b"\n"), segment.start.lines + 1):
        if not line or line.isspace():
            continue
        cells = cells_of(parse(line), wanted)
        if isinstance(cells, list) and any(isinstance(cell, float) and abs(cell) >= EXACT for cell in cells):
            cells = cells_of(parse(line, exact=True), wanted)
        if isinstance(cells, str):
            broken[len(rows)] = cells
            cells = [None] * len(wanted)
        rows.append(cells)
        numbers.append(number)
    return Cells(segment.file, numbers, [list(column) for column in zip(*rows, strict=True)], broken)


def parse(line: bytes, exact: bool = False) -> Any:
    """The json value, or (not raised) the ValueError that says why there is none.

    Python's parser has the last word: it takes NaN, half surrogate pairs, and whole numbers of any length.
    """
    try:
        if not exact:
            return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    text = line.decode("utf-8")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ValueError("broken json")


def kind_of(value: Any) -> str:
    """What `parse` gave, in words: never the value."""
    return "broken json" if isinstance(value, ValueError) else f"a json {type(value).__name__}"


def cells_of(value: Any, wanted: Sequence[str]) -> list[Any] | str:
    """The wanted values of an object, None where one is absent, or why there are none."""
    if isinstance(value, dict):
        cells = [look_up(value, name) for name in wanted]
        return [None if cell is ABSENT else cell for cell in cells]
    return "broken json" if isinstance(value, ValueError) else "not a json object"


def look_up(value: Any, name: str) -> Any:
    """What an object holds under a name, or, where it has no such name, on the path that the name's dots make.

    >>> look_up({"a.b": 1}, "a.b"), look_up({"a": {"b": 2}}, "a.b"), look_up({"a": [{"b": 3}]}, "a.0.b")
    (1, 2, 3)
    >>> look_up({"a": {"b": 2}}, "a.c") is ABSENT
    True
    """
    if name in value:
        return value[name]
    for part in name.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def _parquet(segment: Segment[File], wanted: Sequence[str]) -> Cells:
    source = pa.BufferReader(segment.data)
    tables = []
    while source.tell() < source.size():  # each is a stream of its own
        tables.append(pa.ipc.open_stream(source).read_all())
    columns: list[Values] = []
    for name in wanted:
        top = name if name in tables[0].column_names else name.partition(".")[0]
        if top == name and _is_string(tables[0].schema.field(name).type):
            columns.append(pl.concat([pl.Series(table.column(name).cast(pa.large_string())) for table in tables]))
            continue
        cells = [look_up({top: cell}, name) for table in tables for cell in table.column(top).to_pylist()]
        columns.append([None if cell is ABSENT else cell for cell in cells])
    first = segment.start.rows + 1
    return Cells(segment.file, list(range(first, first + segment.rows)), columns, {})


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


READERS = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_lines, ".parquet": _parquet}


def wrong_encoding(file: File, data: bytes, start: Place) -> DataError:
    """Says where the first byte stands that is not UTF-8, and how to convert the file."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start
    before = data[:at].decode("utf-8")
    row = start.lines + before.count("\n") + 1
    if file.format == ".csv":  # a row may be many lines; the x makes a row of what is cut off before its first byte
        row = start.rows + sum(1 for fields in csv.reader(io.StringIO(before + "x", newline="")) if fields)
    guess = "UTF-16" if not start.offset and data[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
    packed = file.path.suffix.lower() != file.format
    name = file.path.stem if packed else file.path.name
    return DataError(
        f"{file.name}, row {row}: expected UTF-8, found a byte that is not at offset {start.offset + at}: convert it; if it is "
        f"{guess}: {'unpack it, then ' if packed else ''}iconv -f {guess} -t UTF-8 {name} > utf8{file.format}"
    )
