"""tasks/question_answering.py and spans.py: where answers stand in tokens, the best span, and one answer a note."""

import copy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from dxtune.errors import DataError
from dxtune.tasks import question_answering
from dxtune.tasks.spans import LONGEST, UNKNOWN, Best, best_span, encode, one_a_note
from dxtune.training.attention import use_fast_bf16
from dxtune.training.base_model import load_tokenizer
from dxtune.training.packed import pack

NOTE = "fever, chills and cough since fever began; vomiting without chest cramps"
ROWS = [
    {"input_ids": [2, 10, 3, 11, 12, 3], "token_type_ids": [0, 0, 0, 1, 1, 1], "start_token": 3, "end_token": 4},
    {"input_ids": [2, 12, 3, 9, 3], "token_type_ids": [0, 0, 0, 1, 1], "start_token": 0, "end_token": 0},
]


@pytest.fixture
def tokenizer(tiny_model: Path) -> str:
    text: str = load_tokenizer(tiny_model).to_str()
    return text


def asked(answer: str, start: int | None, note: str = NOTE) -> pl.DataFrame:
    row = {"note_id": "n", "patient_id": "p", "question": "since?", "text": note, "answer": answer, "answer_start": start}
    return pl.DataFrame([row], schema_overrides={"answer_start": pl.Int64})


@pytest.mark.parametrize("answer", ["fever", "chills and cough", "vomiting", "cramps", "chills and cough since fever"])
def test_the_answers_tokens_are_its_characters(tokenizer: str, answer: str) -> None:
    start = NOTE.rindex(answer)
    whole = encode(tokenizer, 64, "windows", 8, asked(answer, start)).tables["tokens"].row(0, named=True)
    assert whole["starts"][whole["start_token"]] == start == whole["answer_start"]
    assert whole["ends"][whole["end_token"]] == start + len(answer) == whole["answer_end"]
    assert whole["starts"][0] == whole["ends"][0] == -1, "the first token stands for no answer"
    windows = encode(tokenizer, 16, "windows", 4, asked(answer, start)).tables["tokens"]
    assert windows.height > 1
    for row in windows.iter_rows(named=True):
        inside = start in row["starts"] and start + len(answer) in row["ends"]
        assert (row["start_token"] > 0) == (row["end_token"] > 0) == inside
        if inside:
            assert NOTE[row["starts"][row["start_token"]] : row["ends"][row["end_token"]]] == answer


def test_no_answer_and_an_answer_that_is_not_in_the_note(tokenizer: str) -> None:
    none = encode(tokenizer, 64, "windows", 8, asked("", None)).tables["tokens"].row(0, named=True)
    assert (none["start_token"], none["end_token"], none["answer_start"]) == (0, 0, None)
    lost = encode(tokenizer, 64, "windows", 8, asked("headache", None)).tables["tokens"].row(0, named=True)
    assert (lost["start_token"], lost["end_token"]) == (UNKNOWN, UNKNOWN)


def test_letters_of_other_scripts_keep_their_places(tokenizer: str) -> None:
    note = "naïve 𝔘 patient: cough since März, fever"
    row = encode(tokenizer, 64, "windows", 8, asked("fever", note.index("fever"), note)).tables["tokens"].row(0, named=True)
    assert note[row["starts"][row["start_token"]] : row["ends"][row["end_token"]]] == "fever"


def test_a_space_that_belongs_to_its_word_belongs_to_no_answer() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    bytewise = Tokenizer(models.BPE())
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.train_from_iterator([NOTE] * 3, trainers.BpeTrainer(special_tokens=["<s>", "</s>"], show_progress=False))
    ends = [("<s>", 0), ("</s>", 1)]
    bytewise.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", ends)
    start = NOTE.index("chills")
    row = encode(bytewise.to_str(), 64, "windows", 8, asked("chills", start)).tables["tokens"].row(0, named=True)
    assert (row["starts"][row["start_token"]], row["ends"][row["end_token"]]) == (start, start + 6)


def test_the_best_span_is_the_best_of_all(tokenizer: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.normal(size=(12, 2))
        starts, ends = [-1, -1, -1, *range(0, 16, 2)], [-1, -1, -1, *range(2, 18, 2)]
        best = max(
            ((scores[a, 0] + scores[b, 1], starts[a], ends[b]) for a in range(3, 11) for b in range(a, 11)),
            key=lambda found: found[0],
        )
        found = best_span(scores, starts, ends)
        assert (found.score, found.start, found.end) == (pytest.approx(best[0]), best[1], best[2])
        assert found.none == pytest.approx(scores[0].sum())
    flat = np.zeros((200, 2))
    flat[0], flat[199] = (9, 0), (0, 9)
    far = best_span(flat, range(200), range(1, 201))
    assert far.end - far.start <= LONGEST


def test_a_note_has_the_best_span_of_its_windows_and_none_only_if_all_have_none() -> None:
    windows = [Best(0, 4, 1.0, 3.0), Best(9, 12, 5.0, 4.0), Best(2, 3, 0.0, 6.0)]
    made = one_a_note(pl.Series(["b", "b", "a"]), windows)
    assert made.rows() == [("b", 9, 12, 3.0 - 5.0), ("a", 2, 3, 6.0)]


def test_loss_is_the_mean_of_both_ends_and_padding_counts_for_nothing(tiny_model: Path) -> None:
    torch.manual_seed(0)
    model = question_answering.build(tiny_model, 0, 0.0, 0.0).eval()
    batch = question_answering.collate(ROWS, 0, 0)
    out = model(**batch)
    logits = out["logits"]
    assert logits.shape == (2, 8, 2)
    alone = []
    for row, scores in zip(ROWS, logits, strict=True):
        length = len(row["input_ids"])  # type: ignore[arg-type]
        ends = torch.tensor([row["start_token"], row["end_token"]])
        alone.append(torch.nn.functional.cross_entropy(scores[:length].T, ends))
    torch.testing.assert_close(out["loss"], torch.stack(alone).mean())
    unknown = question_answering.collate([ROWS[0], ROWS[1] | {"start_token": UNKNOWN, "end_token": UNKNOWN}], 0, 0)
    torch.testing.assert_close(model(**unknown)["loss"] * 4, alone[0] * 2, msg="a lost answer teaches nothing")
    shorter = model(**question_answering.collate(ROWS[1:], 0, 0))["logits"]
    torch.testing.assert_close(shorter[0, :5], logits[1, :5], rtol=1e-4, atol=1e-5)


def test_question_and_note_are_told_apart(tiny_model: Path) -> None:
    torch.manual_seed(0)
    model = question_answering.build(tiny_model, 0, 0.0, 0.0).eval()
    batch = question_answering.collate(ROWS, 0, 0)
    assert batch["token_type_ids"].tolist()[0] == [0, 0, 0, 1, 1, 1, 0, 0]
    other = batch | {"token_type_ids": torch.zeros_like(batch["token_type_ids"])}
    assert not torch.allclose(model(**batch)["logits"], model(**other)["logits"])


def test_a_lost_answer_says_nothing_about_the_threshold(tokenizer: str) -> None:
    notes = pl.concat(
        [asked(*row).with_columns(note_id=pl.lit(row[0])) for row in (("fever", 0), ("", None), ("headache", None))]
    )
    tokens = encode(tokenizer, 64, "windows", 8, notes).tables["tokens"]
    known, gold = question_answering.gold_of(tokens)
    assert known.to_list() == [True, True, False]
    assert gold.rows() == [(0, 5), (None, None)]
    with pytest.raises(DataError, match="found none of 1"):
        question_answering.gold_of(tokens.tail(1))
    scores = np.zeros((3, tokens["length"].max(), 2))  # type: ignore[arg-type, call-overload]
    scores[0, tokens["start_token"][0], 0] = scores[0, tokens["end_token"][0], 1] = 5
    scores[1, 0] = 5
    assert question_answering.scorer(tokens)(scores) == {"span_f1": 1.0, "span_match": 1.0}


def test_in_bf16_weights_that_are_packed_for_good_give_the_same_numbers(tiny_model: Path, tokenizer: str) -> None:
    torch.manual_seed(0)
    model = question_answering.build(tiny_model, 0, 0.0, 0.0).eval()
    use_fast_bf16(model.encoder)
    packed = copy.deepcopy(model)
    pack(packed.encoder)
    tokens = encode(tokenizer, 20, "windows", 4, asked("fever", 0)).tables["tokens"]
    ids = {"pad_token_id": 0, "unk_token_id": 1}
    model.tokenizer = packed.tokenizer = load_tokenizer(tiny_model)
    settings = ids | question_answering.fit(model, tokens, ids, bf16=True)
    for ask in (question_answering.predict, question_answering.losses):
        assert ask(model, tokens, settings, True).equals(ask(packed, tokens, settings, True))


def test_saved_and_loaded_gives_the_same_answers(tiny_model: Path, tokenizer: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = question_answering.build(tiny_model, 0, 0.0, 0.0).eval()
    notes = pl.concat([asked("fever", 0), asked("", None).with_columns(note_id=pl.lit("m"))])
    tokens = encode(tokenizer, 20, "windows", 4, notes).tables["tokens"]
    model.tokenizer = load_tokenizer(tiny_model)
    ids = {"pad_token_id": 0, "unk_token_id": 1}
    settings = ids | question_answering.fit(model, tokens, ids, bf16=False)
    question_answering.save(model, tmp_path / "m", [], settings)
    loaded, labels, kept = question_answering.load(tmp_path / "m")
    loaded.tokenizer = model.tokenizer
    assert (labels, kept["no_answer"]) == ([], settings["no_answer"])
    made = question_answering.predict(loaded, tokens, kept, bf16=False)
    assert made.equals(question_answering.predict(model, tokens, settings, bf16=False))
    assert made["note_id"].to_list() == ["n", "m"]
    given, nothing = question_answering.answers(made, notes, labels, kept | {"no_answer": 1e9})
    assert given.text == NOTE[given.start : given.end] != ""
    (first, _) = question_answering.answers(made, notes, labels, kept | {"no_answer": -1e9})
    assert (first.text, str(first)) == ("", "(no answer in the note)")
    assert nothing.end > nothing.start
    assert (made["unlike"] < 0.99).all(), "they are what it was fitted on"
    strange = encode(tokenizer, 20, "windows", 4, asked("", None, "zzz " * 300)).tables["tokens"]
    (foreign,) = question_answering.answers(
        question_answering.predict(loaded, strange, kept, bf16=False), asked("", None), [], kept
    )
    assert foreign.unlike == 1 and str(foreign).splitlines()[-1].startswith("unlike the notes of training")
