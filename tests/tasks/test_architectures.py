"""Questions with their notes, labels and answers, on every architecture of encoders: one step, and back from a folder."""

from pathlib import Path

import polars as pl
import pytest
import torch

from dxtune.tasks import classification, multilabel, question_answering, spans
from dxtune.tasks.notes import encode
from dxtune.training.base_model import load_tokenizer, pad_token_id
from tests.training.architectures import CONFIGS, build

ENCODERS = [name for name in CONFIGS if name not in ("llama", "qwen2", "qwen3")]
NOTES = pl.DataFrame(
    {
        "note_id": ["a", "b"],
        "patient_id": ["p", "q"],
        "question": ["is there fever?", "since when is there a cough?"],
        "text": ["fever and chills " * 12, "cough since 3 days"],
        "label_id": [1, 0],
        "label_ids": [[0, 1], []],
        "answer": ["chills", ""],
        "answer_start": [10, None],
    },
    schema_overrides={"label_ids": pl.List(pl.Int64)},
)


@pytest.mark.parametrize("name", ENCODERS)
def test_each_task_learns_and_comes_back(name: str, tiny_model: Path, tmp_path: Path) -> None:
    base = build(name, tiny_model, tmp_path / "base")
    tokenizer, pad_id = load_tokenizer(base).to_str(), pad_token_id(base)
    for task, encoded in ((classification, encode), (multilabel, encode), (question_answering, spans.encode)):
        tokens = encoded(tokenizer, 24, "windows", 4, NOTES).tables["tokens"]
        model = task.build(base, 2, 0.0, 0.0)
        task.fit_head(model, tokens, pad_id, False)
        loss = model(**task.collate(tokens.to_dicts(), pad_id, 2))["loss"]
        loss.backward()
        assert torch.isfinite(loss) and all(each.grad is not None for each in model.parameters())
        ids = {"pad_token_id": pad_id, "unk_token_id": 1}
        model.tokenizer = load_tokenizer(base)
        settings = ids | task.fit(model.eval(), tokens, ids, False)
        folder = tmp_path / task.__name__
        task.save(model, folder, [] if task is question_answering else ["x", "y"], settings)
        loaded, _, kept = task.load(folder)
        loaded.tokenizer = model.tokenizer
        made = task.predict(loaded, tokens, kept, False)
        assert made.equals(task.predict(model, tokens, settings, False))
        assert made["note_id"].to_list() == ["a", "b"]
