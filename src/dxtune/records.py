"""Column names and types of every table that crosses a stage: the contract between stages.

A record is one clinical note. `note_id` and `patient_id` go with it from `collect` to the predictions; tables are joined
by id, never by position. After `deidentify` both are pseudonyms (keyed hashes), because a record number is PHI itself.
"""

import re
from collections.abc import Collection, Mapping

import polars as pl

from dxtune.errors import DataError

Schema = Mapping[str, pl.DataType | type[pl.DataType]]
SMALLEST_GROUP = 10
"""Patients: figures of smaller groups could point at persons."""

PLACEHOLDER = re.compile(r"\[([A-Z][A-Z_]+)(?:-(?:[0-9]{4}|90\+))?\]")
"""What stands for an identifier in a note without; of the words in capitals only deid.spans.TYPES: see `placeholders` there."""
GOLD_SPANS = pl.List(pl.Struct({"start": pl.Int64, "end": pl.Int64, "type": pl.String}))

# data/raw. `split` is null where preprocess.split decides. Subgroup columns (strings) follow, as params name them.
# Synthetic notes also have `gold_spans` (stops at deidentify) and `posterior`.
RAW: Schema = {
    "note_id": pl.String,
    "patient_id": pl.String,
    "note_date": pl.String,
    "text": pl.String,
    "label": pl.String,
    "split": pl.String,
}

# What a task has instead of `label`. Multilabel: `labels` sorted, no label twice, possibly none. Generation: `text` is the
# prompt. Question answering: `text` is the context; `answer` is empty where there is none; `answer_start` in characters of
# the context, null where the answer does not stand there. Classification may have a `question` (String) besides.
TARGETS: Mapping[str, Schema] = {
    "classification": {"label": pl.String},
    "multilabel": {"labels": pl.List(pl.String)},
    "question-answering": {"question": pl.String, "answer": pl.String, "answer_start": pl.Int64},
    "generation": {"response": pl.String},
}

# data/deidentified: as RAW, but the year only.
DEIDENTIFIED: Schema = {
    "note_id": pl.String,
    "patient_id": pl.String,
    "note_year": pl.String,
    "text": pl.String,
    "label": pl.String,
    "split": pl.String,
}

# data/deidentification_audit: one row a span, in offsets of the raw note. `rule`: why; `confidence`: 0 to 1, of the
# scorer;
# `value`: keyed hash of what stood there, so that equal values can be told to be equal. No text.
AUDIT: Schema = {
    "note_id": pl.String,
    "start": pl.Int32,
    "end": pl.Int32,
    "type": pl.String,
    "rule": pl.String,
    "confidence": pl.Float32,
    "value": pl.String,
}

# data/processed/<split>
PROCESSED: Schema = {
    "note_id": pl.String,
    "patient_id": pl.String,
    "note_year": pl.String,
    "text": pl.String,
    "label": pl.String,
    "label_id": pl.Int64,
}

# Labels as numbers: places in labels.json.
LABEL_IDS: Mapping[str, Schema] = {
    "classification": {"label_id": pl.Int64},
    "multilabel": {"label_ids": pl.List(pl.Int64)},
}

# data/tokens/<split>, what a row teaches: the labels' ids (LABEL_IDS), or this.
# Question answering: a row a window; `answer_start` and `answer_end` in characters of the note, null where there is none;
# `start_token` and `end_token` in this window, 0 where it has none; `starts` and `ends`: each token's characters, -1 outside.
TOKEN_TARGETS: Mapping[str, Schema] = {
    **LABEL_IDS,
    "question-answering": {
        "answer_start": pl.Int64,
        "answer_end": pl.Int64,
        "start_token": pl.Int32,
        "end_token": pl.Int32,
        "starts": pl.List(pl.Int32),
        "ends": pl.List(pl.Int32),
    },
    "generation": {"token_type_ids": pl.List(pl.Int32)},  # 0: the prompt, 1: the response
}

# data/predictions.parquet, what the model says: `probabilities` in the order of the label map, and from 0 to 1 how `unlike`
# the notes of training a note is. Question answering: the best span, in characters of the note, and how much likelier it is
# that there is no answer. No text of a note, but of generation: `prompt` and `reference` as the model had them, its `answer`,
# whether that was `cut`, and how likely the model thinks the reference: `nll` nats over `tokens`. All of it is made from
# de-identified notes.
OUTPUTS: Mapping[str, Schema] = {
    "classification": {"probabilities": pl.List(pl.Float64), "unlike": pl.Float64},
    "multilabel": {"probabilities": pl.List(pl.Float64), "unlike": pl.Float64},
    "question-answering": {"start": pl.Int64, "end": pl.Int64, "no_answer": pl.Float64, "unlike": pl.Float64},
    "generation": {
        **dict.fromkeys(("prompt", "reference", "answer"), pl.String),
        "cut": pl.Boolean,
        "nll": pl.Float64,
        "tokens": pl.Int64,
        "unlike": pl.Float64,
    },
}

# data/attributions.parquet: a note's likeliest label, how likely it is, and what each word adds to its logit. Without the words
# where the notes are not synthetic and explain.show_text is false.
ATTRIBUTIONS: Schema = {
    "note_id": pl.String,
    "label": pl.String,
    "probability": pl.Float64,
    "words": pl.List(pl.String),
    "scores": pl.List(pl.Float64),
}

# What a table may have besides.
EXTRA: Schema = {"question": pl.String, "posterior": pl.List(pl.Float64), "gold_spans": GOLD_SPANS}

# Columns with a value in every row. The others (dates, splits, subgroups, where an answer stands) may have none.
FILLED = frozenset(
    ["note_id", "patient_id", "text", "label", "labels", "answer", "response", "label_id", "label_ids", "input_ids", "length",
     "start_token", "end_token", "starts", "ends", "token_type_ids"]
)  # fmt: skip
REMEDY = "a stage wrote it otherwise, so it was changed or is of another version; run dvc repro, which makes it again"

# quarantine.parquet beside a corpus: rows that could not be used. `row` counts from 1 in `file`. No text. Rows that the user
# chose to leave out (a category of notes) stand there too, with a reason that begins with LEFT_OUT: they are not unusable.
LEFT_OUT = "left out: "
QUARANTINE: Schema = {"file": pl.String, "row": pl.Int64, "note_id": pl.String, "reason": pl.String}
QUARANTINE_FILLED = ("file", "row", "reason")


def columns(task: str) -> Schema:
    """The columns of data/raw for a task: those of RAW, with TARGETS in the place of `label`.

    >>> list(columns("generation"))
    ['note_id', 'patient_id', 'note_date', 'text', 'response', 'split']
    """
    places = [TARGETS[task] if name == "label" else {name: kind} for name, kind in RAW.items()]
    return {name: kind for place in places for name, kind in place.items()}


def deidentified(task: str) -> Schema:
    """The columns of data/deidentified for a task.

    >>> list(deidentified("multilabel"))
    ['note_id', 'patient_id', 'note_year', 'text', 'labels', 'split']
    """
    return {"note_year" if name == "note_date" else name: kind for name, kind in columns(task).items()}


def processed(task: str) -> Schema:
    """The columns of data/processed for a task: those of data/deidentified without `split`, and the ids of the labels.

    >>> list(processed("multilabel"))
    ['note_id', 'patient_id', 'note_year', 'text', 'labels', 'label_ids']
    """
    return {**{name: kind for name, kind in deidentified(task).items() if name != "split"}, **LABEL_IDS.get(task, {})}


def tokens(task: str) -> Schema:
    """The columns of data/tokens/<split> for a task: no padding; `length` is the number of ids.

    A long note can be several rows, one after the other, with the same ids of note, patient and labels: its windows.

    >>> list(tokens("classification"))
    ['note_id', 'patient_id', 'label_id', 'input_ids', 'length']
    """
    ids = {"note_id": pl.String, "patient_id": pl.String}
    return {**ids, **TOKEN_TARGETS.get(task, {}), "input_ids": pl.List(pl.Int32), "length": pl.Int32}


def predictions(task: str) -> Schema:
    """The columns of data/predictions.parquet for a task: one row a note of validation and test.

    >>> list(predictions("classification"))
    ['note_id', 'patient_id', 'split', 'label_id', 'probabilities', 'unlike']
    """
    ids = dict.fromkeys(("note_id", "patient_id", "split"), pl.String)
    return {**ids, **LABEL_IDS.get(task, {}), **OUTPUTS.get(task, {})}


def check(frame: pl.DataFrame, schema: Schema, where: str, filled: Collection[str] = FILLED) -> pl.DataFrame:
    """The same frame, once it has all columns of `schema` with their types, and in those of `filled` a value in every row.

    Columns of EXTRA may be there, and then have their type; others are not looked at. where: the file. Raises DataError naming
    it, the first wrong column, what was expected and found, and the row, never a value.

    >>> check(pl.DataFrame({"note_id": ["a"]}), {"note_id": pl.String}, "doctest").height
    1
    """
    if missing := [name for name in schema if name not in frame.columns]:
        raise DataError(
            f"{where}: expected the columns {', '.join(schema)}; missing: {', '.join(missing)}; "
            f"found {', '.join(frame.columns)}: {REMEDY}"
        )
    for name, kind in {**schema, **{name: kind for name, kind in EXTRA.items() if name in frame.columns}}.items():
        if frame.schema[name] != kind:
            raise DataError(f"{where}: column {name}: expected the type {kind}, found {frame.schema[name]}: {REMEDY}")
        if name in filled:
            values = frame[name]
            empty = values.is_null()
            if isinstance(kind, pl.List):
                empty |= values.list.drop_nulls().list.len() < values.list.len()
            if empty.any():
                raise DataError(
                    f"{where}: column {name}: expected a value in every row, found none in {empty.sum()} of {frame.height} "
                    f"(the first: row {empty.arg_true()[0] + 1}): {REMEDY}"
                )
    return frame
