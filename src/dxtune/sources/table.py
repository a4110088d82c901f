"""Records from tables that you have: csv, json lines, json and parquet files, one row a note.

A row that cannot be used goes to the quarantine with a reason; a file that cannot be used is a DataError. Rows count from
1, and the header of a csv is not one of them; in json lines the row is the line. A message names file, row and column and
never says what stands there: everything that is read here is PHI.
"""

import csv
import difflib
import glob
import io
import json
import math
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from dxtune import records
from dxtune.errors import DataError
from dxtune.params import SPLITS, Collect

SPLIT_NAMES = {**{name: name for name in SPLITS}, "val": "validation", "valid": "validation", "dev": "validation"}
MAX_LABEL_CHARACTERS = 100  # what is longer is a text, not a class; labels end up in metrics, and those in git
MAX_NAME_CHARACTERS = 64  # a longer "column name" is data: the file has no header, and must not be quoted

Row = tuple[int, dict[str, Any] | str]  # the row's number, and its values or the reason why it has none


class _File(NamedTuple):
    path: Path
    name: str  # relative to collect.path: the only name that leaves this module
    split: str | None


class _Unusable(Exception):
    """A row's reason to be quarantined."""


def collect(settings: Collect) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]]:
    """Records (records.RAW and the subgroup columns), the quarantine, and the facts: files and rows read.

    Raises DataError where a file, a column or an id is not what the settings say.
    """
    columns = _columns(settings)
    files = _find(settings)
    stems = [file.path.stem for file in files]
    kept: list[tuple[str | None, ...]] = []
    dropped: list[tuple[str, int, str, str]] = []
    places: dict[str, tuple[str, int]] = {}
    rows = 0
    for file in files:
        prefix = file.path.stem if stems.count(file.path.stem) == 1 else file.name
        for row, values in _read(file, columns):
            rows += 1
            derived = f"{prefix}-{row}"
            try:
                record = _record(values, settings, derived, file, row)
            except _Unusable as reason:
                dropped.append((file.name, row, derived, str(reason)))
                continue
            note_id = str(record[0])
            if note_id in places:
                other, other_row = places[note_id]
                raise DataError(
                    f"{file.name}, row {row}, column {settings.note_id_column!r}: expected an id of its own, found {note_id!r} "
                    f"again (first in {other}, row {other_row}): remove one of the rows, or set collect.note_id_column to null"
                )
            places[note_id] = (file.name, row)
            kept.append(record)
    schema = {**records.RAW, **dict.fromkeys(_extra(settings), pl.String)}
    frame = pl.DataFrame(kept, schema=schema, orient="row")
    return frame, pl.DataFrame(dropped, schema=records.QUARANTINE, orient="row"), {"files": len(files), "rows": rows}


# ---- which files ----


def _find(settings: Collect) -> list[_File]:
    """The files to read: sorted by name, split after split."""
    path = Path(settings.path)
    patterns: list[tuple[str, str, str | None]] = [("collect.files", settings.files, None)]
    folder = path
    if settings.splits:
        patterns = [(f"collect.splits.{split}", settings.splits[split], split) for split in settings.splits]
        patterns.sort(key=lambda pattern: SPLITS.index(str(pattern[2])))
    elif path.is_file():
        folder, patterns = path.parent, [("collect.path", path.name, None)]
    elif not path.exists() and glob.has_magic(settings.path):
        folder = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        patterns = [("collect.path", path.relative_to(folder).as_posix(), None)]
    if not folder.is_dir():
        wanted = "the folder that collect.splits names files in" if settings.splits else "a file or a folder"
        raise DataError(f"collect.path = {settings.path!r}: expected {wanted}, found none there: correct it in params.yaml")
    files: dict[Path, _File] = {}
    for key, pattern, split in patterns:
        for found_path in _match(folder, pattern, key):
            file = _File(found_path, found_path.relative_to(folder).as_posix(), split)
            if _suffix(file.path) not in READERS:
                expected = ", ".join(READERS)
                raise DataError(f"{file.name}: expected one of {expected}, found {_suffix(file.path)!r}: convert or unpack it")
            if file.path in files:
                both = f"{files[file.path].split} and {split}"
                raise DataError(
                    f"{file.name}: expected in one split, found in {both}: correct {key} or the other in params.yaml"
                )
            files[file.path] = file
    return list(files.values())


def _match(folder: Path, pattern: str, key: str) -> list[Path]:
    """The files in `folder` that a name or glob means; of a glob only those whose suffix is known."""
    if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise DataError(f"{key} = {pattern!r}: expected a file name or glob inside collect.path, which DVC watches: correct it")
    if (folder / pattern).is_file():
        return [folder / pattern]
    found = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    if usable := [path for path in found if _suffix(path) in READERS]:
        return usable
    here = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    close = difflib.get_close_matches(pattern, here, n=1)
    raise DataError(
        f"{key} = {pattern!r}: expected at least one file ending in {', '.join(READERS)}, found "
        f"{f'{len(found)} with other endings' if found else 'no match'} among the folder's {len(here)} files: "
        + (f"did you mean {close[0]!r}?" if close else "correct the pattern or put the files there")
    )


def _suffix(path: Path) -> str:
    return path.suffix.lower()


# ---- what stands in a file ----


def _columns(settings: Collect) -> dict[str, str]:
    """The columns to read, and the setting that names each."""
    columns = dict.fromkeys(settings.subgroup_columns, "collect.subgroup_columns")
    columns |= dict.fromkeys(settings.identifier_columns, "collect.identifier_columns")
    if clash := sorted(columns.keys() & records.RAW.keys()):
        raise DataError(
            f"collect.subgroup_columns and identifier_columns: {clash} would overwrite columns of every record: rename them in the table"  # noqa: E501
        )
    for key in ("split_column", "note_id_column", "patient_column", "label_column", "text_column"):
        if (name := getattr(settings, key)) is not None:
            columns[name] = f"collect.{key}"
    return columns


def _read(file: _File, columns: dict[str, str]) -> list[Row]:
    """All rows of a file, once it is known to have the columns."""
    if file.path.stat().st_size == 0:
        raise DataError(
            f"{file.name}: expected at least one row, found an empty file: replace it or take it out of collect.files"
        )
    try:
        found, rows = READERS[_suffix(file.path)](file, list(columns))
    except UnicodeDecodeError:
        raise _wrong_encoding(file) from None
    named = all(len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and not _is_number(name) for name in found)
    for column, key in columns.items():
        if column in found:
            continue
        if not named:
            raise DataError(
                f"{file.name}: expected the column {column!r} ({key}), found no header of column names: add one as row one"
            )
        folded = {name.casefold(): name for name in found}
        close = difflib.get_close_matches(column.casefold(), folded, n=1)
        hint = f"did you mean {folded[close[0]]!r}? " if close else ""
        if len(found) == 1 and any(mark in found[0] for mark in ";\t|"):
            hint = "the fields are not separated by commas: save the file as comma-separated. "
        raise DataError(
            f"{file.name}: expected the column {column!r}, found {', '.join(found)}: {hint}Set {key} in params.yaml"
        )
    if twice := [column for column in columns if found.count(column) > 1]:
        raise DataError(
            f"{file.name}: expected the column {twice[0]!r} once, found it {found.count(twice[0])} times: rename one"
        )
    if not rows:
        raise DataError(
            f"{file.name}: expected at least one row, found none under the header: replace it or take it out of collect.files"
        )
    return rows


def _is_number(name: str) -> bool:
    return name.translate(str.maketrans("", "", " .,:/-+")).isdecimal()


def _read_csv(file: _File, wanted: list[str]) -> tuple[list[str], list[Row]]:
    """Python's reader rather than polars': it keeps count of rows over quoted line breaks and of fields in a ragged row."""
    csv.field_size_limit(2**31 - 1)
    with file.path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        lines = (fields for fields in reader if fields)  # [] is a blank line between rows
        row = 0
        try:
            header = next(lines, [])
            places = [(name, header.index(name)) for name in wanted if name in header]
            rows: list[Row] = []
            for row, fields in enumerate(lines, 1):
                same = len(fields) == len(header)
                rows.append((row, {name: fields[at] or None for name, at in places} if same else "wrong number of fields"))
        except csv.Error as error:
            raise DataError(
                f"{file.name}, row {row + 1} (line {reader.line_num}): expected fields quoted as in RFC 4180, found: {error}. "
                'Double the quotation marks inside a field ("") or export the file again'
            ) from None
    return header, rows


def _read_json_lines(file: _File, wanted: list[str]) -> tuple[list[str], list[Row]]:
    with file.path.open(encoding="utf-8-sig", newline="\n") as handle:
        items = [(number, _parse(line)) for number, line in enumerate(handle, 1) if line.strip()]
    return _objects(file, items, wanted)


def _read_json(file: _File, wanted: list[str]) -> tuple[list[str], list[Row]]:
    value = _parse(file.path.read_text(encoding="utf-8-sig"))
    if not isinstance(value, list):
        raise DataError(
            f"{file.name}: expected a json list of objects, found {_kind(value)}: export a list, or name json lines .jsonl"
        )
    return _objects(file, list(enumerate(value, 1)), wanted)


def _objects(file: _File, items: list[tuple[int, Any]], wanted: list[str]) -> tuple[list[str], list[Row]]:
    """Keys in order of appearance, and rows. A key that an object lacks is null there."""
    if items and not any(isinstance(value, dict) for _, value in items):
        number, value = items[0]
        raise DataError(
            f"{file.name}, row {number}: expected a json object, found {_kind(value)}, as in all rows: export the file again"
        )
    found = list(dict.fromkeys(key for _, value in items if isinstance(value, dict) for key in value))
    rows: list[Row] = []
    for number, value in items:
        usable = isinstance(value, dict)
        reason = "broken json" if isinstance(value, ValueError) else "not a json object"
        rows.append((number, {name: value.get(name) for name in wanted} if usable else reason))
    return found, rows


def _parse(text: str) -> Any:
    """The json value, or (not raised) the ValueError that says why there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ValueError("broken json")


def _kind(value: Any) -> str:
    return "broken json" if isinstance(value, ValueError) else f"a json {type(value).__name__}"


def _read_parquet(file: _File, wanted: list[str]) -> tuple[list[str], list[Row]]:
    try:
        found = list(pl.read_parquet_schema(file.path))
        frame = pl.read_parquet(file.path, columns=[name for name in wanted if name in found], glob=False)
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{file.name}: expected a parquet file, found another or a cut one: copy or export it again") from None
    return found, list(enumerate(frame.iter_rows(named=True), 1))


READERS: dict[str, Callable[[_File, list[str]], tuple[list[str], list[Row]]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def _wrong_encoding(file: _File) -> DataError:
    """Says where the first byte stands that is not UTF-8, and how to convert the file."""
    data = file.path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start
    before = data[:at].decode("utf-8")
    row = before.count("\n") + 1
    if _suffix(file.path) == ".csv":  # a row may be many lines; the x makes a row of what is cut off before its first byte
        row = max(sum(1 for fields in csv.reader(io.StringIO(before + "x", newline="")) if fields) - 1, 0)
    guess = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
    return DataError(
        f"{file.name}, row {row}: expected UTF-8, found a byte that is not at offset {at}: convert it; if it is "
        f"{guess}: iconv -f {guess} -t UTF-8 {file.path.name} > utf8{file.path.suffix}"
    )


# ---- what stands in a row ----


def _record(values: dict[str, Any] | str, settings: Collect, derived: str, file: _File, row: int) -> tuple[str | None, ...]:
    """One row of records.RAW and the subgroup columns. Raises _Unusable with the reason."""
    if isinstance(values, str):
        raise _Unusable(values)
    text = values[settings.text_column]
    if text is not None and not isinstance(text, str):
        raise _Unusable("text is not a string")
    if not (text and text.strip()):
        raise _Unusable("missing text")
    label = _required(values, settings.label_column, "label")
    if len(label) > MAX_LABEL_CHARACTERS or len(label.splitlines()) > 1:
        raise _Unusable("label is not a class name")
    note_id = _required(values, settings.note_id_column, "note id") if settings.note_id_column else derived
    patient_id = _required(values, settings.patient_column, "patient id") if settings.patient_column else note_id
    split = file.split
    if settings.split_column:
        split = SPLIT_NAMES.get(_required(values, settings.split_column, "split").lower())
        if split is None:
            raise DataError(
                f"{file.name}, row {row}, column {settings.split_column!r}: expected one of {', '.join(SPLIT_NAMES)}, found "
                "another value: correct it, or set collect.split_column to the column that names the split"
            )
    extra = [_string(values[name], name) for name in _extra(settings)]
    record = (note_id, patient_id, None, text, label, split, *extra)
    for value in record:
        _check_characters(value)
    return record


def _extra(settings: Collect) -> list[str]:
    """The columns that go along: subgroups, and identifiers, which stop at de-identification."""
    return list(dict.fromkeys((*settings.subgroup_columns, *settings.identifier_columns)))


def _check_characters(value: str | None) -> None:
    if value and "\x00" in value:
        raise _Unusable("NUL byte")
    try:
        (value or "").encode("utf-8")
    except UnicodeEncodeError:
        raise _Unusable("half a surrogate pair") from None


def _required(values: dict[str, Any], column: str, what: str) -> str:
    value = _string(values[column], what)
    if value is None:
        raise _Unusable(f"missing {what}")
    return value


def _string(value: Any, what: str) -> str | None:
    """The value as a string, None where it is empty.

    >>> [_string(value, "label") for value in (" flu ", 3, 3.0, 2.5, True, "", None, float("nan"))]
    ['flu', '3', '3', '2.5', 'true', None, None, None]
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list | dict | bytes):
        raise _Unusable(f"{what} is not a single value")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap is a float column in many exports
    return str(value).strip() or None
