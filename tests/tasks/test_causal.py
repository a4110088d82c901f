"""A causal model that classifies: notes in its chat template, and a head on the last token, which alone has seen all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoTokenizer, LlamaForSequenceClassification

from dxtune import records, shards
from dxtune.errors import DataError
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.stages import tokenize, train
from dxtune.tasks import classification, multilabel
from dxtune.tasks.centroid import vectors_of
from dxtune.tasks.encoder import load_settings, pad
from dxtune.tasks.notes import encode
from dxtune.tasks.prompts import task_tokenizer, without_prompt
from dxtune.training.base_model import pad_token_id
from dxtune.training.method import shorten
from tests.tasks.causal import build_tiny_llama

NOTES = pl.DataFrame(
    {
        "note_id": ["a", "b", "c"],
        "patient_id": ["p", "q", "r"],
        "question": ["Is there fever?", "Since when is there a cough?", None],
        "text": ["fever and chills " * 30, "cough since 3 days", "no complaints"],
        "label_id": [1, 0, 0],
        "label_ids": [[0, 1], [], [1]],
    },
    schema_overrides={"label_ids": pl.List(pl.Int64)},
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("causal") / "llama", num_hidden_layers=3)


@pytest.fixture
def asked(base: Path, params_with: Callable[..., Params]) -> Callable[..., Any]:
    """The tokenizer of the base model with such settings of tokenize."""
    return lambda **changes: task_tokenizer(params_with(tokenize=changes), base)


def written(base: Path, note: str) -> str:
    """What the chat template of the base model makes of a request, ready to be answered."""
    chat = AutoTokenizer.from_pretrained(base)
    return str(chat.apply_chat_template([{"role": "user", "content": note}], add_generation_prompt=True, tokenize=False))


def test_a_note_is_followed_by_its_question(base: Path, asked: Callable[..., Any]) -> None:
    tokenizer = asked()
    made = encode(tokenizer.to_str(), 384, "truncate", 0, NOTES).tables["tokens"]
    for row, ids in zip(NOTES.to_dicts(), made["input_ids"].to_list(), strict=True):
        expected = written(base, f"{row['text']}\n\n{row['question'] or ''}")
        assert tokenizer.decode(ids, skip_special_tokens=False) == expected
    alone = encode(tokenizer.to_str(), 384, "truncate", 0, NOTES.drop("question")).tables["tokens"]
    for text, ids in zip(NOTES["text"], alone["input_ids"].to_list(), strict=True):
        assert tokenizer.decode(ids, skip_special_tokens=False) == written(base, text)
        assert without_prompt(tokenizer)(ids).split() == text.split(), "whose language is told by it alone"


@pytest.mark.parametrize("long_notes", ["truncate", "head_tail", "windows"])
def test_of_a_long_note_the_question_and_the_end_of_the_prompt_stay(asked: Callable[..., Any], long_notes: str) -> None:
    tokenizer = asked()
    whole = tokenizer.encode(NOTES["question"][0], NOTES["text"][0])
    room = len(whole.ids) - 12
    made = encode(tokenizer.to_str(), room, long_notes, 4, NOTES.head(1)).tables["tokens"]
    assert made.height == (2 if long_notes == "windows" else 1)
    for ids in made["input_ids"].to_list():
        text = tokenizer.decode(ids, skip_special_tokens=False)
        assert len(ids) <= room and ids[0] == whole.ids[0]
        assert text.endswith(f"{NOTES['question'][0]}<|im_end|>\n<|im_start|>assistant\n")


def test_a_template_that_leaves_a_note_no_room_is_refused(asked: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"takes \d+ tokens, expected fewer than half of tokenize.max_tokens = 24"):
        asked(max_tokens=24)


def test_the_head_sees_the_last_token_as_that_of_transformers_does(base: Path, asked: Callable[..., Any]) -> None:
    made = encode(asked().to_str(), 384, "truncate", 0, NOTES).tables["tokens"]
    torch.manual_seed(0)
    model = classification.build(base, 2, 0.0, 0.0).eval()
    theirs = LlamaForSequenceClassification.from_pretrained(base, num_labels=2, use_safetensors=True).eval()
    theirs.score.weight = model.head.weight
    batch = pad(made.select("input_ids").to_dicts(), pad_token_id(base), 64)
    with torch.inference_mode():
        torch.testing.assert_close(model(**batch)["logits"], theirs(**batch).logits, rtol=1e-4, atol=1e-5)
    assert model.pooling == "last"


@pytest.mark.parametrize("task", [classification, multilabel], ids=["classification", "multilabel"])
def test_it_learns_and_comes_back_with_the_layers_that_were_used(
    task: Any, base: Path, asked: Callable[..., Any], params_with: Callable[..., Params], tmp_path: Path
) -> None:
    tokenizer = asked()
    made = encode(tokenizer.to_str(), 96, "windows", 8, NOTES).tables["tokens"]
    model = task.build(base, 2, 0.0, 0.0)
    shorten(model.encoder, params_with(model={"method": "head"}).model, causal=True)
    task.fit_head(model, made, 3, False)
    loss = model(**task.collate(made.to_dicts(), 3, 2))["loss"]
    loss.backward()
    assert torch.isfinite(loss) and all(each.grad is not None for each in model.parameters())
    ids = {"pad_token_id": 3, "unk_token_id": -1}
    model.tokenizer = tokenizer
    settings = ids | task.fit(model.eval(), made, ids, False)
    task.save(model, tmp_path / "saved", ["x", "y"], settings)
    loaded, _, kept = task.load(tmp_path / "saved")
    loaded.tokenizer = tokenizer
    assert (len(loaded.encoder.layers), loaded.pooling) == (2, "last")
    assert task.predict(loaded, made, kept, False).equals(task.predict(model, made, settings, False))


def test_the_stages_and_whoever_asks_later_read_a_note_in_the_same_way(
    base: Path, params_with: Callable[..., Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = params_with(
        model={"name": str(base), "sha256": None, "method": "head"},
        tokenize={"max_tokens": 64, "max_truncated_share": 1.0},
        train={"epochs": 1, "precision": "fp32", "threads": 1},
    )
    for split, size in (("train", 24), ("validation", 12), ("test", 12)):
        names = pl.Series([f"{split}{number}" for number in range(size)])
        frame = pl.DataFrame({"note_id": names, "patient_id": names, "label_id": [number % 2 for number in range(size)]})
        frame = frame.with_columns(
            text=pl.Series(["a cough", "a rash"] * (size // 2)), label=pl.lit("x"), note_year=pl.lit(None, pl.String)
        )
        schema = records.processed("classification")
        shards.write_corpus(frame.select(*schema), Path("data/processed") / split)
    shards.write_json(["respiratory", "skin"], Path("data/processed/labels.json"))
    shards.write_json({"boilerplate": [], "drop_sections": []}, Path("data/processed/cleaning.json"))
    tokenize.run(params, Paths())
    train.run(params, Paths())
    predictor = Predictor(Path("models/final"), precision="fp32")
    stored = shards.read_corpus(Path("data/tokens/test"))
    texts = shards.read_corpus(Path("data/processed/test"))
    assert predictor.tokenize(texts)["input_ids"].to_list() == stored["input_ids"].to_list()
    assert len(predictor.predict(["A cough since yesterday."])) == 1

    untuned = load_settings(Path("models/final"))["untuned"]
    notes = shards.read_corpus(Path("data/processed/train"))
    vectors = vectors_of(notes, predictor.settings, params)
    means = [vectors[(notes["label_id"] == label).to_numpy()].mean(axis=0) for label in untuned["classes"]]
    np.testing.assert_allclose(means, untuned["means"], atol=1e-5, err_msg="the untuned rival reads as the head's fit did")
    assert np.linalg.norm(np.subtract(*means)) > 1e-3, "and tells them apart"
