"""Notes whose windows answer together by learned weights: batches of whole notes, and the same answer everywhere."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from dxtune.tasks import classification, multilabel
from dxtune.tasks.encoder import NoteModel, pad
from dxtune.tasks.notes import gather
from dxtune.training.base_model import load_tokenizer
from dxtune.training.machine import prepare
from dxtune.training.trainer import Fitted, fit
from tests.training.test_trainer import same, settings, weights


def windows(notes: int, seed: int) -> pl.DataFrame:
    """Notes of one to eight windows; what gives the label away stands in one of them, and in no other."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for note in range(notes):
        label, count = int(rng.integers(0, 3)), int(rng.integers(1, 9))
        evidence = int(rng.integers(0, count))
        for window in range(count):
            ids = rng.integers(10, 40, int(rng.integers(6, 14)))
            if window == evidence:
                ids[rng.integers(0, len(ids), 3)] = 50 + label
            rows.append({"note_id": f"{seed}-{note}", "label_id": label, "input_ids": [2, *ids.tolist(), 3]})
    frame = pl.DataFrame(rows, schema_overrides={"input_ids": pl.List(pl.Int32)})
    lengths = pl.col("input_ids").list.len().cast(pl.Int32).alias("length")
    truth = pl.concat_list("label_id").alias("label_ids")
    return frame.with_columns(pl.col("note_id").alias("patient_id"), truth, lengths)


def learn(base: Path, checkpoints: Path, pooling: str, task: Any = classification, **changes: Any) -> tuple[NoteModel, Fitted]:
    at_once = {"mean": 16, "learned": 4}[pooling]  # about as many windows a step
    chosen = settings(**({"epochs": 6, "patience": 6, "batch_size": at_once} | changes))
    prepare(chosen.threads, chosen.seed)
    train, validation = (gather(windows(notes, seed), pooling) for notes, seed in ((160, 0), (60, 1)))
    model = task.build(base, 3, 0.0, 0.0)
    if pooling == "learned":
        model.weigh_windows()
    collate = partial(task.collate, pad_id=0, labels=3)
    return model, fit(model, collate, train, validation, task.scorer(validation), chosen, "fp32", checkpoints)


def test_a_row_a_note_has_all_of_its_windows_in_order() -> None:
    tokens = windows(20, 3)
    assert gather(tokens, "mean") is tokens
    notes = gather(tokens, "learned")
    assert notes["note_id"].to_list() == tokens["note_id"].unique(maintain_order=True).to_list()
    assert notes.explode("input_ids")["input_ids"].to_list() == tokens["input_ids"].to_list()
    assert notes["length"].sum() == tokens["length"].sum() and set(notes.columns) == set(tokens.columns)
    assert notes["label_id"].to_list() == tokens.unique("note_id", keep="first", maintain_order=True)["label_id"].to_list()


def test_a_batch_of_notes_is_filled_up_with_windows_that_count_for_nothing(tiny_model: Path) -> None:
    rows = [{"input_ids": [[2, 10, 3], [2, 11, 12, 3]]}, {"input_ids": [[2, 13, 3]]}]
    batch = pad(rows, 7)
    assert batch["input_ids"].shape == (2, 2, 8) and batch["attention_mask"].sum((1, 2)).tolist() == [7, 3]
    torch.manual_seed(0)
    model = classification.build(tiny_model, 3, 0.0, 0.0)
    model.weigh_windows()
    model.eval()
    each = [pad([{"input_ids": ids}], 7) for row in rows for ids in row["input_ids"]]
    alone = torch.cat([model.read(**window) for window in each])[:, :3]
    together = model(**batch)["logits"]
    torch.testing.assert_close(together, torch.stack([alone[:2].mean(0), alone[2]]), rtol=1e-4, atol=1e-5)
    torch.nn.init.normal_(model.weights.weight)  # type: ignore[union-attr]
    read = torch.cat([model.read(**window) for window in each])
    shares = read[:2, 3:].softmax(0)
    torch.testing.assert_close(model(**batch)["logits"][0], (shares * read[:2, :3]).sum(0), rtol=1e-4, atol=1e-5)
    model.train()
    torch.testing.assert_close(model(**batch)["logits"][0], (shares * read[:2, :3]).sum(0), rtol=1e-4, atol=1e-5)


def test_evidence_in_one_window_is_found(tiny_model: Path, tmp_path: Path) -> None:
    _, mean = learn(tiny_model, tmp_path / "mean", "mean")
    model, learned = learn(tiny_model, tmp_path / "learned", "learned")
    assert learned.metrics["validation_macro_f1"] >= mean.metrics["validation_macro_f1"], (learned.metrics, mean.metrics)
    assert learned.metrics["validation_macro_f1"] > 0.95
    assert (learned.metrics["steps"], mean.metrics["steps"]) == (6 * 160 // 4, 6 * -(-windows(160, 0).height // 16))
    tokens = windows(60, 1)
    known: dict[str, Any] = {"pad_token_id": 0, "unk_token_id": 1}
    model.tokenizer = load_tokenizer(tiny_model)
    known |= classification.fit(model.eval(), tokens, known, False)
    made = classification.predict(model, tokens, known, False)
    classification.save(model, tmp_path / "saved", ["a", "b", "c"], known)
    loaded, _, kept = classification.load(tmp_path / "saved")
    loaded.tokenizer = model.tokenizer
    assert kept["window_pooling"] == "learned"
    assert classification.predict(loaded, tokens, kept, False).equals(made)
    scored = classification.scorer(gather(tokens, "learned"))
    with torch.inference_mode():
        logits = [model(**pad([row], 0))["logits"][0].numpy() for row in gather(tokens, "learned").to_dicts()]
    assert scored(np.stack(logits))["macro_f1"] == pytest.approx(learned.metrics["validation_macro_f1"])
    probabilities = (torch.tensor(np.stack(logits)).double() / known["temperature"]).softmax(-1).numpy()
    np.testing.assert_allclose(np.array(made["probabilities"].to_list()), probabilities, atol=1e-5)


def test_weights_of_windows_are_the_same_in_pieces_and_again(tiny_model: Path, tmp_path: Path) -> None:
    whole, fitted = learn(tiny_model, tmp_path / "a", "learned", multilabel, epochs=2)
    again, _ = learn(tiny_model, tmp_path / "b", "learned", multilabel, epochs=2)
    assert same(weights(whole), weights(again))
    _, pieces = learn(tiny_model, tmp_path / "c", "learned", multilabel, epochs=2, micro_batch=3)
    np.testing.assert_allclose(pieces.loss["loss"], fitted.loss["loss"], rtol=1e-3)
