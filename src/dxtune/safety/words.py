"""From attributions of tokens to those of words, and the words that most often speak for a label. No torch here."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from dxtune.evaluation.metrics import Floats
from dxtune.records import SMALLEST_GROUP

MOST = 10
"""Words of a label that are listed."""
TABLE = {**dict.fromkeys(("label", "word"), pl.String), "score": pl.Float64, **dict.fromkeys(("notes", "patients"), pl.Int64)}
WORD = {**dict.fromkeys(("note_id", "patient_id", "label", "word"), pl.String), "score": pl.Float64}
"""A word of a note."""
STARTS = ("Ġ", "▁")
"""What stands for the space before a word in vocabularies that are not of word pieces."""


def words_of(ids: Sequence[int], scores: Floats, tokenizer: Any, special: Sequence[int]) -> Iterator[tuple[str, float]]:
    """The words that tokens stand for, in order, each with the sum of its tokens' scores; special tokens are none."""
    word: list[int] = []
    score = 0.0
    known = {*special}
    for number, value in zip(ids, scores.tolist(), strict=True):
        if word and not _continues(number, tokenizer, known):
            yield tokenizer.decode(word, skip_special_tokens=False).strip(), score
            word, score = [], 0.0
        if number not in known:
            word.append(number)
            score += value
    if word:
        yield tokenizer.decode(word, skip_special_tokens=False).strip(), score


def influential(found: pl.DataFrame) -> pl.DataFrame:
    """The words that add most to each label, the mean over its notes that have them; of at least ten patients each.

    found: rows of WORD. A note's scores are divided by the sum of their absolute values, so that notes with large logits do not
    decide alone.
    """
    word = pl.col("word").str.to_lowercase()
    each = (
        found.with_columns(word, pl.col("score") / pl.col("score").abs().sum().over("note_id"))
        .filter(word.str.contains(r"\p{L}"))
        .group_by("label", "word", "note_id", "patient_id")
        .agg(pl.col("score").sum())
        .sort("label", "word", "note_id")
    )
    table = each.group_by("label", "word", maintain_order=True).agg(
        pl.col("score").mean(), notes=pl.len().cast(pl.Int64), patients=pl.col("patient_id").n_unique().cast(pl.Int64)
    )
    some = table.filter((pl.col("patients") >= SMALLEST_GROUP) & (pl.col("score") > 0))
    ranked = some.sort("label", "score", "word", descending=[False, True, False])
    best = ranked.group_by("label", maintain_order=True).head(MOST)
    return best.select(pl.col(name).cast(kind) for name, kind in TABLE.items()).with_columns(pl.col("score").round(6))


def _continues(number: int, tokenizer: Any, special: set[int]) -> bool:
    """Whether a token goes on with the word before it."""
    from tokenizers.models import WordPiece

    token = tokenizer.id_to_token(number) or ""
    if number in special:
        return False
    if isinstance(tokenizer.model, WordPiece):
        return token.startswith("##")
    return not token.startswith(STARTS) and token[:1].isalnum()
