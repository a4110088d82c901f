"""Notes that come with other texts (a question, an answer, a response): de-identified as one document, written field by field.

So a name in the note is masked in its question, too. The document is the note, then the other texts, a blank line between them:
offsets into the note are those of the document.
"""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from dxtune.deid.spans import Span

FIELDS = ("question", "answer", "response")
BETWEEN = "\n\n"

Write = Callable[[str, list[Span]], str]
"""From a text and what to mask in it to the text without; of each span it sees the span's own characters alone."""


def fields_of(raw: pl.DataFrame) -> list[str]:
    """The names of the columns with text beside the note."""
    return [name for name in FIELDS if name in raw.columns]


def as_documents(raw: pl.DataFrame) -> pl.DataFrame:
    """The same rows, whose `text` is the whole document.

    >>> as_documents(pl.DataFrame({"text": ["Seen."], "question": ["By whom?"]}))["text"].to_list()
    ['Seen.\\n\\nBy whom?']
    """
    others = [pl.col(name).fill_null("") for name in fields_of(raw)]
    return raw.with_columns(pl.concat_str("text", *others, separator=BETWEEN)) if others else raw


def write_fields(raw: pl.DataFrame, spans: Sequence[list[Span]], writers: Sequence[Write]) -> dict[str, list[Any]]:
    """The clean texts by column: `text`, the other texts, and `answer_start`, where the answer now stands in the clean note.

    raw: the rows as they came; spans: what to mask in their documents; writers: what puts something else in their place.
    """
    names = ["text", *fields_of(raw)]
    clean: dict[str, list[Any]] = {name: [] for name in names}
    for row, some, write in zip(raw.iter_rows(named=True), spans, writers, strict=True):
        at = 0
        for name in names:
            value = row[name] or ""
            clean[name].append(None if row[name] is None else write(value, inside(some, at, at + len(value))))
            at += len(value) + len(BETWEEN)
    if "answer_start" in raw.columns:
        clean["answer_start"] = []
        where = zip(raw["text"], raw["answer"], raw["answer_start"], spans, writers, strict=True)
        for number, (text, answer, start, some, write) in enumerate(where):
            clean["answer_start"].append(None)
            if start is not None:
                clean["answer"][number], clean["answer_start"][number] = moved(text, start, start + len(answer), some, write)
    return clean


def moved(text: str, start: int, end: int, spans: list[Span], write: Write) -> tuple[str, int]:
    """What characters `start` to `end` of a note have become, and where that stands now. What is masked in part is there whole.

    >>> from dxtune.deid.spans import replace
    >>> moved("Dr. Ann Foley saw him", 8, 17, [Span(4, 13, "NAME")], replace)
    ('[NAME] saw', 4)
    """
    for span in spans:
        if span.start < start < span.end:
            start = span.start
        if span.start < end < span.end:
            end = span.end
    return write(text[start:end], inside(spans, start, end)), len(write(text[:start], inside(spans, 0, start)))


def inside(spans: list[Span], start: int, end: int) -> list[Span]:
    """The spans between two offsets, counted from the first; of one that goes over them what is inside."""
    cut = [(max(span.start, start), min(span.end, end), span.type) for span in spans]
    return [Span(first - start, last - start, kind) for first, last, kind in cut if first < last]
