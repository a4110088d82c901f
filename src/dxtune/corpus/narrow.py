"""The cleaning half of preprocess, a shard at a time, and the narrow frame on which everything else is decided.

A narrow frame has one row a note and no text: ids, labels, year, subgroups, hashes, lengths. A million notes are some hundred
megabytes of it, so that splits and duplicates can be decided over the whole corpus at once.
"""

from hashlib import blake2b

import polars as pl

from dxtune.corpus.answers import find_answers
from dxtune.corpus.boilerplate import count_lines
from dxtune.corpus.clean import clean, drop_short
from dxtune.corpus.minhash import sign
from dxtune.corpus.texts import make_texts
from dxtune.shards import Result

TABLES = ("notes", "narrow", "signatures", "quarantine", "sample")  # of `prepare`
SAMPLED = 256
"""Notes of a shard, those with the smallest text hashes, whose texts stand once more by themselves: a sample of many shards."""
ANSWERS = ("label", "labels", "response", "answer", "answer_start")  # what a note is there to teach, by task


def count_boilerplate(found: pl.DataFrame) -> Result:
    """Of one shard, as facts: how many notes have each line that could be boilerplate."""
    return Result({}, {"lines": dict(count_lines(clean(found)).iter_rows())})


def prepare(
    boilerplate: tuple[str, ...],
    sections: tuple[str, ...],
    min_characters: int,
    task: str,
    subgroups: tuple[str, ...],
    found: pl.DataFrame,
) -> Result:
    """One shard cleaned and measured, as tables: `notes` with clean texts, their `narrow` frame and `signatures`, `quarantine`.

    Rows in = notes + quarantine; `row` counts from 1 in the shard. `sample`: texts for review.read_sample.
    """
    numbered = found.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row"))
    notes, quarantine = drop_short(make_texts(numbered, boilerplate, sections), min_characters)
    if "answer_start" in notes.columns:
        notes = find_answers(found, notes)
    lost = quarantine.select("note_id", "reason", "row").join(found.select("note_id", "patient_id"), on="note_id", how="left")
    narrow = measure(notes)
    tables = {"notes": notes.drop("row"), "narrow": narrow, "signatures": sign(notes), "quarantine": lost}
    smallest = narrow["text_hash"].arg_sort().head(SAMPLED)
    return Result(tables | {"sample": notes.select("note_id", "text")[smallest]}, {})


def measure(notes: pl.DataFrame) -> pl.DataFrame:
    """The narrow frame of notes with `row`: every column but text and posterior, and

    `labels` (a list whatever the task: one label, several, or none), `answer` (hash of what copies may disagree about),
    `text_hash`, `characters`, `posterior_length` (0: none).
    """
    answers = [name for name in ANSWERS if name in notes.columns]
    asked = notes["question"].fill_null("") if "question" in notes.columns else [""] * notes.height
    texts = [_digest(text, question) for text, question in zip(notes["text"], asked, strict=True)]
    said = [_digest(*(str(value) for value in row)) for row in notes.select(answers).iter_rows()] if answers else texts
    wide = {"text", "question", "posterior", *ANSWERS}
    return notes.select(
        *(name for name in notes.columns if name not in wide),
        _labels(notes),
        pl.Series("answer", said, dtype=pl.Binary),
        pl.Series("text_hash", texts, dtype=pl.Binary),
        pl.col("text").str.len_chars().cast(pl.Int64).alias("characters"),
        (pl.col("posterior").list.len().cast(pl.Int64) if "posterior" in notes.columns else pl.lit(0, pl.Int64)).alias(
            "posterior_length"
        ),
    )


def _labels(notes: pl.DataFrame) -> pl.Series:
    if "labels" in notes.columns:
        return notes["labels"]
    if "label" in notes.columns:
        return notes.select(pl.concat_list("label").alias("labels")).to_series()
    return pl.Series("labels", [[]] * notes.height, dtype=pl.List(pl.String))


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
