"""Where the answer to a question stands in a note, once the note was cleaned."""

import polars as pl

from dxtune.corpus.clean import clean


def find_answers(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The notes `after` cleaning with their answers cleaned, too, and `answer_start` where these stand now.

    An answer that stands in a note more than once is the same one of them as before. Null where cleaning took it away.

    >>> before = pl.DataFrame({"note_id": ["a"], "text": ["no  rash,  now rash"], "answer": ["rash"], "answer_start": [15]})
    >>> find_answers(before, clean(before))["answer_start"].to_list()
    [13]
    """
    asked = before.select("note_id", pl.col("text").alias("before"), pl.col("answer").alias("raw"), "answer_start")
    answers = clean(before.select("note_id", pl.col("answer").alias("text"))).rename({"text": "answer"})
    known = (
        after.drop("answer", "answer_start")
        .join(asked, on="note_id", maintain_order="left")
        .join(answers, on="note_id", maintain_order="left")
    )
    starts = [_find(*row) for row in known.select("before", "raw", "answer_start", "text", "answer").iter_rows()]
    found = known.with_columns(pl.Series("answer_start", starts, dtype=pl.Int64))
    return found.select(after.columns)


def _find(before: str, raw: str, start: int | None, text: str, answer: str) -> int | None:
    if start is None or not answer:
        return None
    found = text.find(answer)
    for _ in range(before[:start].count(raw)):
        later = text.find(answer, found + 1)
        found = later if later >= 0 else found
    return found if found >= 0 else None
