"""Question answering: token ids of a question with windows of its note, and the best span of characters from their scores.

As in SQuAD (Rajpurkar et al. 2018, arXiv:1806.03822): question first; a window that does not hold the whole answer teaches that
it has none, by its first token. No torch here.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from dxtune.shards import Result
from dxtune.tasks.notes import check_questions, count_tokens, list_column, load, types_of

LONGEST = 64
"""Tokens of an answer: longer ones are not given."""
NEVER = -1e9
"""The score of an answer in a window that has nothing of the note."""
UNKNOWN = -100
"""Position of an answer that is not found in its note: torch's losses leave it out."""


def encode(tokenizer: str, max_tokens: int, long_notes: str, stride: int, frame: pl.DataFrame) -> Result:
    """The table `tokens` of one shard, a row a window, and how many notes, rows, tokens, cut notes and unknown tokens it has.

    `starts`, `ends`: for each token its characters in the note, -1 for those of the question. `start_token`, `end_token`: the
    answer in this window, 0 where it has none, UNKNOWN where the answer does not stand in the note.
    """
    questions = frame["question"].fill_null("").to_list()
    check_questions(tokenizer, questions, frame["note_id"].to_list(), max_tokens)
    encoder = load(tokenizer, max_tokens, stride, paired=True, whole=False)
    encodings = encoder.encode_batch(list(zip(questions, frame["text"], strict=True)))
    number = [row for row, each in enumerate(encodings) for _ in range(1 + len(each.overflowing))]
    windows = [each for first in encodings for each in (first, *first.overflowing)]
    types = [types_of(first, each) for first in encodings for each in (first, *first.overflowing)]
    places = [places_of(each, frame["text"][row]) for each, row in zip(windows, number, strict=True)]
    ids = list_column("input_ids", [each.ids for each in windows])
    columns = [
        ids,
        list_column("token_type_ids", types),
        list_column("starts", [starts for starts, _ in places]),
        list_column("ends", [ends for _, ends in places]),
        ids.list.len().cast(pl.Int32).alias("length"),
    ]
    table = frame.select("note_id", *(name for name in ("patient_id",) if name in frame.columns))
    if "answer" in frame.columns:
        known = frame.select(
            pl.col("answer_start"),
            (pl.col("answer_start") + pl.col("answer").str.len_chars()).alias("answer_end"),
            ((pl.col("answer") != "") & pl.col("answer_start").is_null()).alias("lost"),
        )
        table = table.with_columns(known.drop("lost"))
        rows = [(*where, *known.row(row)) for where, row in zip(places, number, strict=True)]
        targets = np.array([target(*row) for row in rows], dtype=np.int32).reshape(-1, 2)
        columns += [pl.Series("start_token", targets[:, 0]), pl.Series("end_token", targets[:, 1])]
    table = table[number].with_columns(columns)
    counts = {"notes": frame.height, "rows": table.height, "truncated": 0, **count_tokens(encoder, ids)}
    return Result({"tokens": table}, counts)


def places_of(encoding: Any, text: str) -> tuple[list[int], list[int]]:
    """Of each token its first character in the note and the one after its last, -1 for those that are not of the note.

    Some tokenizers count the space before a word to it: an answer does not begin with one.
    """
    starts, ends = [], []
    for (first, last), sequence in zip(encoding.offsets, encoding.sequence_ids, strict=True):
        first += len(text[first:last]) - len(text[first:last].lstrip())  # noqa: PLW2901
        own = sequence == 1 and first < last
        starts.append(first if own else -1)
        ends.append(last if own else -1)
    return starts, ends


def target(starts: list[int], ends: list[int], first: int | None, last: int | None, lost: bool) -> tuple[int, int]:
    """The tokens with the first and the last character of the answer: (0, 0) where the window does not hold both.

    >>> target([-1, 0, 4], [-1, 3, 9], 4, 9, False), target([-1, 0, 4], [-1, 3, 9], 4, 12, False)
    ((2, 2), (0, 0))
    """
    if lost:
        return UNKNOWN, UNKNOWN
    if first is None or last is None:
        return 0, 0
    begins = [place for place, (a, b) in enumerate(zip(starts, ends, strict=True)) if a <= first < b]
    stops = [place for place, (a, b) in enumerate(zip(starts, ends, strict=True)) if a < last <= b]
    return (begins[0], stops[-1]) if begins and stops else (0, 0)


class Best(NamedTuple):
    """The likeliest answer of a window, in characters of the note: its score, and that of having none."""

    start: int
    end: int
    score: float
    none: float


def best_span(scores: np.ndarray, starts: Iterable[int], ends: Iterable[int]) -> Best:
    """The span with the greatest sum of start and end score, of at most LONGEST tokens, all of the note.

    scores: (tokens or more, 2), of each token as the first and as the last one. Of equals the earlier, then the shorter one.

    >>> best_span(np.array([[1.0, 1.0], [0.0, 9.0], [3.0, 0.0], [0.0, 2.0]]), [-1, -1, 0, 4], [-1, -1, 3, 9])
    Best(start=0, end=9, score=5.0, none=2.0)
    """
    first, last = np.fromiter(starts, np.int64), np.fromiter(ends, np.int64)
    own = np.flatnonzero(first >= 0)
    none = float(scores[0].sum())
    if not len(own):
        return Best(0, 0, NEVER, none)
    sums = scores[own, 0][:, None] + scores[own, 1][None, :]
    length = np.arange(len(own))[None, :] - np.arange(len(own))[:, None]
    sums[(length < 0) | (length >= LONGEST)] = -np.inf
    a, b = np.unravel_index(int(sums.argmax()), sums.shape)
    return Best(int(first[own[a]]), int(last[own[b]]), float(sums[a, b]), none)


def one_a_note(note_ids: pl.Series, windows: list[Best]) -> pl.DataFrame:
    """One row a note, in order of appearance: note_id, `start`, `end`, and `no_answer`.

    Of a note's windows the best span. `no_answer` is how far the score of none, the lowest of all windows, is above that
    span's: a note has no answer only if no window has one.
    """
    schema = {"start": pl.Int64, "end": pl.Int64, "score": pl.Float64, "none": pl.Float64}
    frame = pl.DataFrame([note_ids.alias("note_id")]).hstack(pl.DataFrame(windows, schema=schema, orient="row"))
    best = pl.col("score").arg_max()
    found = frame.group_by("note_id", maintain_order=True).agg(
        pl.col("start").get(best), pl.col("end").get(best), (pl.col("none").min() - pl.col("score").max()).alias("no_answer")
    )
    return found
