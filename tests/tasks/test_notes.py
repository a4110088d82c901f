"""tasks/notes.py: what becomes of long notes and of questions, and one answer a note from its windows."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dxtune.errors import DataError
from dxtune.tasks import classification, multilabel
from dxtune.tasks.notes import encode, mean_by_note
from dxtune.training.base_model import load_tokenizer

WORDS = ["fever", "cough", "chills", "vomiting", "chest", "urine", "cramps", "dyspnea"]


@pytest.fixture
def tokenizer(tiny_model: Path) -> str:
    text: str = load_tokenizer(tiny_model).to_str()
    return text


def frame(*sizes: int, question: str | None = None) -> pl.DataFrame:
    """Notes of so many words, each of which is one token."""
    texts = [" ".join(WORDS[word % len(WORDS)] for word in range(size)) for size in sizes]
    names = [f"n{number}" for number in range(len(sizes))]
    labels = pl.Series("label_ids", [[number] for number in range(len(sizes))], dtype=pl.List(pl.Int64))
    made = pl.DataFrame({"note_id": names, "patient_id": names, "text": texts, "label_id": range(len(sizes))}).with_columns(
        labels
    )
    return made if question is None else made.with_columns(question=pl.lit(question))


def words(tokenizer: str, ids: list[int]) -> list[str]:
    from tokenizers import Tokenizer

    decoded: str = Tokenizer.from_str(tokenizer).decode(ids)
    return decoded.split()


def every(size: int) -> list[str]:
    return [WORDS[word % len(WORDS)] for word in range(size)]


def test_words_of_the_test_are_one_token_each(tokenizer: str) -> None:
    assert encode(tokenizer, 64, "truncate", 0, frame(8)).tables["tokens"]["length"].to_list() == [10]


def test_a_cut_note_loses_its_end(tokenizer: str) -> None:
    table, facts = encode(tokenizer, 12, "truncate", 0, frame(10, 11, 30))
    assert [words(tokenizer, row) for row in table["tokens"]["input_ids"].to_list()] == [every(10), every(10), every(10)]
    assert facts == {"notes": 3, "rows": 3, "truncated": 2, "tokens": 36, "unknown": 0}


def test_head_and_tail_lose_the_middle(tokenizer: str) -> None:
    table, facts = encode(tokenizer, 14, "head_tail", 0, frame(12, 40))
    whole, cut = table["tokens"]["input_ids"].to_list()
    assert words(tokenizer, whole) == every(12)
    assert words(tokenizer, cut) == every(40)[:3] + every(40)[-9:], "a quarter of twelve, and the rest"
    assert (len(cut), cut[0], cut[-1]) == (14, whole[0], whole[-1]), "with the tokens that a note begins and ends with"
    assert facts["truncated"] == 1


def test_windows_lose_nothing_and_overlap(tokenizer: str) -> None:
    table, facts = encode(tokenizer, 12, "windows", 4, frame(10, 25))
    tokens = table["tokens"]
    assert tokens["note_id"].to_list() == ["n0", "n1", "n1", "n1", "n1"]
    assert tokens["label_id"].to_list() == [0, 1, 1, 1, 1]
    windows = [words(tokenizer, row) for row in tokens["input_ids"].to_list()[1:]]
    assert windows[0] + [word for window in windows[1:] for word in window[4:]] == every(25)
    assert all(before[-4:] == after[:4] for before, after in itertools.pairwise(windows))
    assert (facts["notes"], facts["rows"], facts["truncated"]) == (2, 5, 0)


@pytest.mark.parametrize("long_notes", ["truncate", "head_tail", "windows"])
def test_a_question_stands_whole_before_every_part_of_its_note(tokenizer: str, long_notes: str) -> None:
    tokens = encode(tokenizer, 16, long_notes, 2, frame(6, 40, question="fever cough")).tables["tokens"]
    for ids, types in tokens.select("input_ids", "token_type_ids").iter_rows():
        assert words(tokenizer, ids)[:2] == ["fever", "cough"]
        assert types == [0, 0, 0, 0] + [1] * (len(ids) - 4), "[CLS] fever cough [SEP] text [SEP]"
        assert len(ids) <= 16
    said = words(tokenizer, tokens.filter(note_id="n1")["input_ids"][0].to_list())[2:]
    assert said == (every(40)[:3] + every(40)[-8:] if long_notes == "head_tail" else every(11))


def test_a_question_that_leaves_no_room_is_an_error(tokenizer: str) -> None:
    with pytest.raises(DataError, match=r"at most 8 tokens.*found 12 in the note n0: shorten") as caught:
        encode(tokenizer, 16, "truncate", 0, frame(6, question=" ".join(every(10))))
    assert "fever" not in str(caught.value)


def test_a_note_without_tokens_is_no_difficulty(tokenizer: str) -> None:
    empty = frame(0).head(0)
    assert encode(tokenizer, 16, "windows", 2, empty).facts == {
        "notes": 0,
        "rows": 0,
        "truncated": 0,
        "tokens": 0,
        "unknown": 0,
    }


def test_means_are_by_note_in_order_of_appearance() -> None:
    names = pl.Series("note_id", ["b", "b", "a", "c", "c", "c"])
    values = np.arange(12.0).reshape(6, 2)
    notes, means = mean_by_note(names, values)
    assert notes.to_list() == ["b", "a", "c"]
    np.testing.assert_array_equal(means, [[1, 2], [4, 5], [8, 9]])
    alone = pl.Series("note_id", list("fedcba"))
    np.testing.assert_array_equal(mean_by_note(alone, values)[1], values)


def test_a_note_is_scored_once_however_many_windows_it_has() -> None:
    validation = pl.DataFrame(
        {"note_id": ["a", "a", "b"], "label_id": [1, 1, 0], "label_ids": [[1], [1], []]},
        schema_overrides={"label_ids": pl.List(pl.Int64)},
    )
    logits = np.array([[-3.0, 0.0], [0.0, 9.0], [-1.0, 1.0]])  # mean of a: -1.5 and 4.5
    assert classification.scorer(validation)(logits)["accuracy"] == 0.5
    found = multilabel.scorer(validation)(logits)
    assert found == {"micro_f1": 1.0, "macro_f1": 1.0}, "the second label from a threshold between 1 and 4.5"
