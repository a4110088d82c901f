"""Token ids of notes for classification and multilabel, alone or after a question; and one answer a note from its windows.

A long note is cut (`truncate`), keeps its beginning and its end (`head_tail`), or becomes several rows with its `note_id`
(`windows`). No torch here.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from dxtune.errors import DataError
from dxtune.shards import Result

HEAD = 0.25
"""Of head_tail: how much of what fits is the beginning. Sun et al., How to Fine-Tune BERT (2019): 128 of 510 did best."""
BATCH = 256
"""Texts that are encoded together: an encoding takes a hundred times the memory of its ids, and is let go with its batch."""
KEPT = ("note_id", "patient_id", "label_id", "label_ids")


def encode(tokenizer: str, max_tokens: int, long_notes: str, stride: int, frame: pl.DataFrame) -> Result:
    """The table `tokens` of one shard, and how many notes, rows, tokens, cut notes and unknown tokens it has.

    tokenizer: its tokenizer.json, and not its path, so that a worker on another machine has it too. stride: tokens that two
    neighbouring windows share. Raises DataError where a question leaves its note less than half of the room.
    """
    paired = "question" in frame.columns
    encoder = load(tokenizer, max_tokens, stride if long_notes == "windows" else 0, paired, long_notes == "head_tail")
    texts = frame["text"].to_list()
    if paired:
        questions = frame["question"].fill_null("").to_list()
        check_questions(tokenizer, questions, frame["note_id"].to_list(), max_tokens)
        texts = list(zip(questions, texts, strict=True))
    number: list[int] = []
    parts: list[tuple[list[int], list[int]]] = []
    cut = 0
    for row, each in enumerate(encodings_of(encoder, texts)):
        if long_notes == "windows":
            windows = [each, *each.overflowing]
            parts += [(window.ids, types_of(each, window) if paired else []) for window in windows]
        elif long_notes == "head_tail":
            cut += len(each) > max_tokens
            parts.append(head_tail(each, max_tokens, int(paired)))
        else:
            cut += bool(each.overflowing)
            parts.append((each.ids, each.type_ids if paired else []))
        number += [row] * (len(parts) - len(number))

    ids = list_column("input_ids", [row for row, _ in parts])
    columns = [ids, ids.list.len().cast(pl.Int32).alias("length")]
    if paired:
        columns.insert(1, list_column("token_type_ids", [types for _, types in parts]))
    table = frame.select(name for name in KEPT if name in frame.columns)[number].with_columns(columns)
    counts = {"notes": frame.height, "rows": table.height, "truncated": cut, **count_tokens(encoder, ids)}
    return Result({"tokens": table}, counts)


def encodings_of(encoder: Any, texts: list[Any]) -> Iterator[Any]:
    """What the tokenizer makes of each text, one after another; the next batch is encoded while this one is looked at."""
    with ThreadPoolExecutor(1) as ahead:
        for some in ahead.map(encoder.encode_batch_fast, (texts[at : at + BATCH] for at in range(0, len(texts), BATCH))):
            yield from some


def types_of(first: Any, window: Any) -> list[int]:
    """The token types of a window: those of the first one, from the question on to its end.

    tokenizers 0.23 gives the note's tokens in all later windows the type of the question.
    """
    types: list[int] = first.type_ids
    text = first.sequence_ids.index(1) if 1 in first.sequence_ids else len(types) - 1
    return types[:text] + types[text : text + 1] * (len(window.ids) - text)


def head_tail(encoding: Any, max_tokens: int, part: int) -> tuple[list[int], list[int]]:
    """Ids and types of a note that fits: where it is too long, the middle of its text is left out.

    part: which of the tokenizer's sequences is the text; what stands before and after it (a question, separators) is kept.
    """
    ids, types = encoding.ids, encoding.type_ids
    if len(ids) <= max_tokens:
        return ids, types
    places = [place for place, sequence in enumerate(encoding.sequence_ids) if sequence == part]
    room = max_tokens - (len(ids) - len(places))
    head = places[0] + round(HEAD * room)
    rest = head + len(ids) - max_tokens
    return ids[:head] + ids[rest:], types[:head] + types[rest:]


def check_questions(tokenizer: str, questions: list[str], names: list[str], max_tokens: int) -> None:
    """Raises DataError where a question is so long that it leaves its note less than half of the tokens."""
    encoder = load(tokenizer, max_tokens, 0, paired=False, whole=True)
    sizes = [len(each.ids) for each in encoder.encode_batch_fast(questions)]
    if max(sizes, default=0) > max_tokens // 2:
        row = int(np.argmax(sizes))
        raise DataError(
            f"expected questions of at most {max_tokens // 2} tokens, half of tokenize.max_tokens, found {sizes[row]} in the "
            f"note {names[row]}: shorten the question, or raise tokenize.max_tokens"
        )


def count_tokens(encoder: Any, ids: pl.Series) -> dict[str, int]:
    """How many tokens a column of ids has, and how many of them are unknown."""
    flat = ids.explode().drop_nulls().to_numpy()
    return {"tokens": len(flat), "unknown": int((flat == unknown_id(encoder)).sum())}


def unknown_id(tokenizer: Any) -> int:
    """The id of the token that stands for what a tokenizer does not know; -1 where it knows everything."""
    found = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]")
    return -1 if found is None else int(found)


def list_column(name: str, rows: list[list[int]]) -> pl.Series:
    """Lists of whole numbers as a column, much faster than row by row."""
    length = np.fromiter(map(len, rows), np.int32, len(rows))
    values = np.fromiter(chain.from_iterable(rows), np.int32, int(length.sum()))
    offsets = np.concatenate([[0], np.cumsum(length, dtype=np.int32)]).astype(np.int32)
    column = pl.from_arrow(pa.ListArray.from_arrays(pl.Series(offsets).to_arrow(), pl.Series(values).to_arrow()))
    assert isinstance(column, pl.Series)
    return column.alias(name)


@lru_cache(maxsize=2)  # a worker makes it once, not for each shard
def load(text: str, max_tokens: int, stride: int, paired: bool, whole: bool) -> Any:
    """The tokenizer that cuts at max_tokens, with windows that overlap by `stride`; `whole`: that never cuts.

    paired: it is the second of two texts that is cut.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    if not whole:
        tokenizer.enable_truncation(max_tokens, stride=stride, strategy="only_second" if paired else "longest_first")
    return tokenizer


def gather(tokens: pl.DataFrame, pooling: str) -> pl.DataFrame:
    """What a model is fitted on: a row a window as they are, or with `learned` pooling a row a note, lists of windows in it.

    `length` is that of all windows, then. So a batch has whole notes, and train.batch_size counts notes.
    """
    if pooling == "mean":
        return tokens
    lists = [name for name in ("input_ids", "token_type_ids") if name in tokens.columns]
    rest = pl.exclude(*lists, "note_id", "length").first()
    return tokens.group_by("note_id", maintain_order=True).agg(rest, *lists, pl.col("length").sum())


def mean_by_note(note_ids: pl.Series, values: np.ndarray, scores: np.ndarray | None = None) -> tuple[pl.Series, np.ndarray]:
    """The notes in order of appearance, and for each the mean of its rows' values, float64.

    scores: the logarithms of the rows' weights, of the shape of values; None: all are equal.

    >>> notes, means = mean_by_note(pl.Series("note_id", ["b", "a", "b"]), np.array([[1.0], [5.0], [3.0]]))
    >>> notes.to_list(), means.tolist()
    (['b', 'a'], [[2.0], [5.0]])
    >>> mean_by_note(pl.Series(["b", "b"]), np.array([[1.0], [5.0]]), np.log([[3.0], [1.0]]))[1].round(9).tolist()
    [[2.0]]
    """
    names = note_ids.unique(maintain_order=True)
    place = {name: number for number, name in enumerate(names)}
    codes = np.fromiter((place[name] for name in note_ids), np.int64, len(note_ids))
    weights = np.ones_like(values, dtype=np.float64)
    if scores is not None:
        highest = np.full((len(names), *values.shape[1:]), -np.inf)
        np.maximum.at(highest, codes, scores)
        weights = np.exp(scores - highest[codes])
    sums, total = np.zeros((2, len(names), *values.shape[1:]))
    np.add.at(sums, codes, values * weights)
    np.add.at(total, codes, weights)
    return names, sums / total
