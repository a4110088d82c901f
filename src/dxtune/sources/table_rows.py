"""Parsed cells to records, and to the reasons why rows cannot be used: whole columns at a time."""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import polars as pl

from dxtune import records
from dxtune.errors import DataError
from dxtune.params import SPLITS, Collect
from dxtune.sources.pieces import Batch
from dxtune.sources.table_cells import Cells, Values
from dxtune.sources.table_columns import Column, Unusable, date, each, nulls, required, single, sparse, string, verbatim, where

SPLIT_NAMES = {**{name: name for name in SPLITS}, "val": "validation", "valid": "validation", "dev": "validation"}
MAX_LABEL_CHARACTERS = 100  # what is longer is a text, not a class; labels end up in metrics, and those in git
LINE_ENDS = "[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"  # of str.splitlines


def columns(settings: Collect, task: str) -> dict[str, str]:
    """The columns to read, and the setting that names each. Raises DataError where two settings do not go together."""
    named = dict.fromkeys(settings.subgroup_columns, "collect.subgroup_columns")
    named |= dict.fromkeys(settings.identifier_columns, "collect.identifier_columns")
    if clash := sorted(named.keys() & {*records.columns(task), *records.RAW, "question"}):
        raise DataError(
            f"collect.subgroup_columns and identifier_columns: {clash} would overwrite columns of every record: rename them "
            "in the table"
        )
    if task == "question-answering" and settings.question_column is None:
        raise DataError("collect.question_column: expected the column with the question, found null: set it in params.yaml")
    keys = ("split", "note_id", "patient", "date", "answer_start", "question", "label", "text")
    for key in (f"{key}_column" for key in keys):
        if (name := getattr(settings, key)) is not None:
            named[name] = f"collect.{key}"
    return named


def extra(settings: Collect) -> list[str]:
    """The columns that go along: subgroups, and identifiers, which stop at de-identification."""
    return list(dict.fromkeys((*settings.subgroup_columns, *settings.identifier_columns)))


def schema(settings: Collect, task: str) -> dict[str, Any]:
    """Names and types of the records: records.columns(task), a classification's question, and what goes along."""
    question = {"question": pl.String} if settings.question_column else {}
    return {**records.columns(task), **question, **dict.fromkeys(extra(settings), pl.String)}


def batch(parts: Sequence[Cells], settings: Collect, task: str) -> Batch:
    """Records and quarantine of the rows of some files. Raises DataError at the first row of an unknown split."""
    cells = {name: _joined([part.columns[at] for part in parts]) for at, name in enumerate(columns(settings, task))}
    files = [part.file for part in parts for _ in part.numbers]
    numbers = list(chain.from_iterable(part.numbers for part in parts))
    derived = pl.Series([f"{file.prefix}-{number}" for file, number in zip(files, numbers, strict=True)], dtype=pl.String)
    reasons = [sparse(_broken(parts), len(numbers))]

    def use(column: Column) -> pl.Series:
        reasons.extend(column.reasons)
        return column.values

    made = {"text": use(verbatim(cells[settings.text_column], "text"))}
    made |= {name: use(column) for name, column in _target(cells, made["text"], settings, task).items()}
    id_column, patient_column = settings.note_id_column, settings.patient_column
    made["note_id"] = use(required(cells[id_column], "note id")) if id_column else derived
    made["patient_id"] = use(required(cells[patient_column], "patient id")) if patient_column else made["note_id"]
    if settings.split_column:
        made["split"] = use(required(cells[settings.split_column], "split")).str.to_lowercase()
    else:
        made["split"] = pl.Series([file.split for file in files], dtype=pl.String)
    made["note_date"] = use(date(cells[settings.date_column])) if settings.date_column else nulls(len(numbers))
    made |= {name: use(single(cells[name], name)) for name in extra(settings)}
    reasons += [where(column.str.contains("\x00", literal=True), "NUL byte") for column in made.values() if _is_text(column)]

    frame = pl.DataFrame({name: made[name] for name in schema(settings, task)}).with_columns(
        pl.coalesce(reasons).alias("reason"),
        pl.Series("file", [file.name for file in files], dtype=pl.String),
        pl.Series("row", numbers, dtype=pl.Int64),
        derived.alias("derived"),
    )
    good, bad = frame.filter(pl.col("reason").is_null()), frame.filter(pl.col("reason").is_not_null())
    if settings.split_column:
        good = _known_splits(good, settings.split_column)
    quarantine = bad.select("file", "row", pl.col("derived").alias("note_id"), "reason")
    return Batch(good.select(list(schema(settings, task))), quarantine)


def _known_splits(good: pl.DataFrame, column: str) -> pl.DataFrame:
    good = good.with_columns(pl.col("split").replace_strict(SPLIT_NAMES, default=None, return_dtype=pl.String))
    unknown = good.filter(pl.col("split").is_null())
    if unknown.height:
        raise DataError(
            f"{unknown['file'][0]}, row {unknown['row'][0]}, column {column!r}: expected one of {', '.join(SPLIT_NAMES)}, "
            "found another value: correct it, or set collect.split_column to the column that names the split"
        )
    return good


# ---- what a task has besides the text ----


def _target(cells: dict[str, Values], text: pl.Series, settings: Collect, task: str) -> dict[str, Column]:
    target = cells[settings.label_column]
    question = {}
    if settings.question_column:
        question = {"question": verbatim(cells[settings.question_column], "question")}
    if task == "multilabel":
        separator = settings.label_separator
        return {"labels": each(target, lambda value: label_set(value, separator), "labels", pl.List(pl.String))}
    if task == "generation":
        return {"response": verbatim(target, "response")}
    if task == "question-answering":
        answer = each(target, _answer, "answer", pl.String)
        starts = cells[settings.answer_start_column] if settings.answer_start_column else None
        return {**question, "answer": answer, "answer_start": _starts(starts, answer.values, text)}
    label = required(target, "label")
    wrong = (label.values.str.len_chars() > MAX_LABEL_CHARACTERS) | label.values.str.contains(LINE_ENDS)
    return {"label": Column(label.values, [*label.reasons, where(wrong, "label is not a class name")]), **question}


def label_set(value: Any, separator: str | None) -> list[str]:
    """The labels of a note, sorted, each once.

    >>> label_set(["b", "a", "b"], None), label_set("b; a", ";"), label_set('["b"]', None), label_set("", ";")
    (['a', 'b'], ['a', 'b'], ['b'], [])
    """
    if isinstance(value, str) and separator is not None:
        value = [part for part in value.split(separator) if part.strip()]
    elif isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Unusable("labels are not a list") from None
    if value is None or value == "":
        raise Unusable("missing labels")
    if not isinstance(value, list):
        raise Unusable("labels are not a list")
    labels = {string(label, "label") for label in value}
    if any(not label or len(label) > MAX_LABEL_CHARACTERS or len(label.splitlines()) > 1 for label in labels):
        raise Unusable("label is not a class name")
    return sorted(str(label) for label in labels)


def _answer(value: Any) -> str:
    """The first of a list of answers, as it is; empty where there is none."""
    value = (value[0] if value else None) if isinstance(value, list) else value
    return value if isinstance(value, str) else string(value, "answer") or ""


def _starts(given: Values | None, answers: pl.Series, text: pl.Series) -> Column:
    """Offsets in characters: those given, once the answer is known to stand there, or where it first stands."""
    found: list[int | None] = []
    wrong: dict[int, str] = {}
    values = given if given is not None else [None] * len(text)
    for at, (value, answer, context) in enumerate(zip(values, answers, text, strict=True)):
        start = None
        if given is None and answer and context:
            start = context.find(answer)
        elif given is not None and answer and context:
            try:
                start = _whole(value)
            except Unusable as reason:
                wrong[at] = str(reason)
            if start is not None and start >= 0 and context[start : start + len(answer)] != answer:
                wrong[at] = "answer does not stand at its start"
        found.append(start if start is not None and start >= 0 else None)
    return Column(pl.Series(found, dtype=pl.Int64), [sparse(wrong, len(found))])


def _whole(value: Any) -> int | None:
    value = string((value[0] if value else None) if isinstance(value, list) else value, "answer start")
    try:
        return None if value is None else int(value)
    except ValueError:
        raise Unusable("answer start is not a whole number") from None


def _joined(parts: list[Values]) -> Values:
    if len(parts) == 1:
        return parts[0]
    series = [part for part in parts if isinstance(part, pl.Series)]
    return pl.concat(series) if len(series) == len(parts) else list(chain.from_iterable(parts))


def _broken(parts: Sequence[Cells]) -> dict[int, str]:
    broken: dict[int, str] = {}
    before = 0
    for part in parts:
        broken |= {before + at: reason for at, reason in part.broken.items()}
        before += len(part.numbers)
    return broken


def _is_text(column: pl.Series) -> bool:
    return column.dtype == pl.String
