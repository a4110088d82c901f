"""training/trainer.py on a tiny BERT: exact, resumable, and fair to gradient accumulation."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from dxtune.evaluation.metrics import macro_f1
from dxtune.params import Train, load_params
from dxtune.tasks import classification, domain
from dxtune.tasks.encoder import NoteModel, pad
from dxtune.training.machine import prepare, resolve_precision
from dxtune.training.trainer import Fitted, fit, last_checkpoint
from tests.conftest import ROOT


def tokens(rows: int, seed: int) -> pl.DataFrame:
    """Made-up notes whose label is the token that they hold most often."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    ids = [
        [2, *np.where(rng.random(n) < 0.5, 50 + y, rng.integers(10, 40, n)).tolist(), 3]
        for n, y in zip(rng.integers(5, 60, rows), labels, strict=True)
    ]
    schema = {"input_ids": pl.List(pl.Int32), "label_id": pl.Int64}
    frame = pl.DataFrame({"input_ids": ids, "label_id": labels}, schema=schema)
    names = [pl.Series(column, [f"{seed}-{row}" for row in range(rows)]) for column in ("note_id", "patient_id")]
    return frame.with_columns(*names, pl.col("input_ids").list.len().cast(pl.Int32).alias("length"))


def settings(**changes: Any) -> Train:
    values = load_params(ROOT / "params.yaml").train.model_dump()
    return Train.model_validate(
        values | {"lr": 2e-3, "epochs": 3, "batch_size": 8, "precision": "fp32", "threads": 1} | changes
    )


def train(base: Path, checkpoints: Path, notes: pl.DataFrame | None = None, **changes: Any) -> tuple[NoteModel, Fitted]:
    chosen = settings(**changes)
    prepare(chosen.threads, chosen.seed)
    model = classification.build(base, 3, chosen.hidden_dropout, chosen.attention_dropout)
    collate, validation = partial(classification.collate, pad_id=0, labels=3), tokens(40, 1)
    score, notes = classification.scorer(validation), tokens(120, 0) if notes is None else notes
    read = domain.adapt(model, base, base, notes, chosen, "fp32", checkpoints)
    fitted = fit(model, collate, notes, validation, score, chosen, "fp32", checkpoints)
    return model, replace(fitted, loss=pl.concat([read, fitted.loss]))


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_and_two_runs_are_the_same_bit_for_bit(tiny_model: Path, tmp_path: Path) -> None:
    first, fitted = train(tiny_model, tmp_path / "a", hidden_dropout=0.1)
    again, repeated = train(tiny_model, tmp_path / "b", hidden_dropout=0.1)
    assert same(weights(first), weights(again))
    assert fitted.metrics == repeated.metrics
    assert fitted.loss.equals(repeated.loss)
    assert fitted.metrics["validation_macro_f1"] > 0.9, "the token gives the label away"
    assert fitted.metrics["lr"] == 2e-3
    other, _ = train(tiny_model, tmp_path / "c", hidden_dropout=0.1, seed=99)
    assert not same(weights(first), weights(other)), "the seed matters"


def test_the_best_epoch_is_kept(tiny_model: Path, tmp_path: Path) -> None:
    model, fitted = train(tiny_model, tmp_path / "a", lr=0.5, epochs=6, patience=2, max_grad_norm=100.0)
    curve = fitted.validation
    steps = (curve["macro_f1"] * 40).round()
    best = curve.filter(steps == steps.max()).row(-1, named=True)
    assert (fitted.metrics["best_epoch"], fitted.metrics["validation_macro_f1"]) == (best["epoch"], best["macro_f1"])
    assert curve.height < 6, "a rate this high makes no progress, so patience ends it"
    frame = tokens(40, 1)
    with torch.inference_mode():
        logits = model.eval()(**pad([{"input_ids": ids} for ids in frame["input_ids"].to_list()], 0))["logits"]
    assert macro_f1(frame["label_id"].to_numpy(), logits.softmax(-1).numpy()) == pytest.approx(best["macro_f1"], abs=1e-6)


def test_epochs_less_than_a_note_apart_are_equals_and_the_later_is_kept(tiny_model: Path, tmp_path: Path) -> None:
    _, fitted = train(tiny_model, tmp_path / "a", lr=1e-12, epochs=4, patience=2)
    assert fitted.validation["macro_f1"].n_unique() == 1, "a rate this low changes nothing"
    assert fitted.metrics["epochs"] == 3, "equals are no progress: patience ends it"
    assert fitted.metrics["best_epoch"] == 3


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    for step, text in ((10, json.dumps({"global_step": 10})), (20, '{"global_st'), (9, json.dumps({"global_step": 9}))):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text(text)
    (tmp_path / "checkpoint-30").mkdir()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]
    assert last_checkpoint(tmp_path / "none") is None


def test_the_loss_of_micro_batches_adds_up(tiny_model: Path) -> None:
    torch.manual_seed(0)
    model = classification.build(tiny_model, 3, 0.0, 0.0)
    rows = tokens(16, 5).select("input_ids", "label_id").to_dicts()
    whole = model(**classification.collate(rows, 0, 3))["loss"]
    parts = [model(**classification.collate(rows[i : i + 4], 0, 3), num_items_in_batch=16)["loss"] for i in range(0, 16, 4)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole, rtol=1e-5, atol=1e-6)


def test_precision_is_what_was_asked_or_what_the_processor_has() -> None:
    assert resolve_precision("fp32") == "fp32"
    assert resolve_precision("bf16") == "bf16"
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if flags and not torch.cuda.is_available():
        assert (resolve_precision("auto") == "bf16") == any(name in flags for name in ("avx512_bf16", "amx_bf16", " bf16"))
