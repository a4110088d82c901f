"""Fine-tuning with transformers' Trainer: exact, resumable, and quick on a CPU. Model and collator are handed in."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import Dataset
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from dxtune.params import Train
from dxtune.training.sampler import BucketSampler

EVAL_BATCH = 64
LATER_WINS = 1e-9
"""What an epoch is worth: nothing against one validation note, enough to decide between equals."""


@dataclass(frozen=True)
class Fitted:
    """What training leaves: figures for metrics/train.json, the two curves, and the clock. The model is trained in place."""

    metrics: dict[str, Any]
    loss: pl.DataFrame
    validation: pl.DataFrame
    clock: "StepClock"


class BucketTrainer(Trainer):
    """A Trainer whose batches hold notes of like length, in an order fixed by (seed, epoch)."""

    def __init__(self, *args: Any, lengths: np.ndarray, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lengths = lengths

    def _get_train_sampler(self, train_dataset: Any = None) -> BucketSampler:
        return BucketSampler(self.lengths, self.args.train_batch_size, self.args.seed)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW, fused where torch can; weight decay on matrices only, not on biases and norms."""
        if self.optimizer is None:
            learned = [parameter for _, parameter in model_parameters(self) if parameter.requires_grad]
            groups = [
                {"params": [each for each in learned if each.ndim > 1], "weight_decay": self.args.weight_decay},
                {"params": [each for each in learned if each.ndim <= 1], "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW(groups, lr=self.args.learning_rate, fused=True)
        return self.optimizer


def model_parameters(trainer: Trainer) -> list[tuple[str, torch.nn.Parameter]]:
    """The named parameters of a trainer's model."""
    model = trainer.model
    assert model is not None
    return list(model.named_parameters())


class StepClock(TrainerCallback):
    """Seconds inside optimiser steps: forward, backward and update, without validation and checkpoints."""

    def __init__(self) -> None:
        self.seconds, self.started = 0.0, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds += time.perf_counter() - self.started


class PlainProgress(TrainerCallback):
    """A line every few seconds where there is no terminal: step, share, rate and time left. stderr only, no text."""

    def __init__(self, every_s: float = 10.0) -> None:
        self.every_s, self.last = every_s, 0.0
        self.start, self.first_step = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.start = self.last = time.monotonic()
        self.first_step = state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        if now - self.last >= self.every_s:
            self.last = now
            rate = (state.global_step - self.first_step) / (now - self.start)
            left = (state.max_steps - state.global_step) / rate
            notes = rate * args.train_batch_size
            sys.stderr.write(f"train: step {state.global_step}/{state.max_steps}, {notes:.1f} notes/s, {left:.0f} s left\n")

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics = kwargs["metrics"]
        score, loss = metrics.get("eval_macro_f1", 0.0), metrics.get("eval_loss", 0.0)
        print(f"train: epoch {state.epoch:.0f}: validation macro-F1 {score:.4f}, loss {loss:.4f}", file=sys.stderr, flush=True)  # noqa: T201


def fit(
    model: torch.nn.Module,
    collate: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]],
    train: pl.DataFrame,
    validation: pl.DataFrame,
    score: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    settings: Train,
    precision: str,
    checkpoints: Path,
) -> Fitted:
    """Trains `model` in place and leaves it at its best epoch by validation macro-F1, counted in steps of one note.

    A difference below what one validation note can make is noise, so such epochs are equals and the later one is kept: with
    the learning rate decayed it is the settled one. Equals do not count as progress for `patience`.

    train, validation: tables of records.TOKENS. score: (labels, logits) to metrics with `macro_f1`. checkpoints: a folder
    that belongs to exactly these inputs: an unfinished run found there is continued, and gives the same weights.
    """
    columns = ["input_ids", "label_id"]
    validation = validation.sort("length", "note_id")

    def metrics_of(output: EvalPrediction) -> dict[str, float]:
        metrics = score(np.asarray(output.label_ids), np.asarray(output.predictions))
        steps = round(metrics["macro_f1"] * validation.height)
        return metrics | {"selection": steps / validation.height + LATER_WINS * (trainer.state.epoch or 0.0)}

    steps_per_epoch = -(-train.height // settings.batch_size)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        learning_rate=settings.lr,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=EVAL_BATCH,
        weight_decay=settings.weight_decay,
        warmup_steps=round(settings.warmup_share * steps_per_epoch * settings.epochs),
        lr_scheduler_type="linear",
        max_grad_norm=settings.max_grad_norm,
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="selection",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, steps_per_epoch // 10),
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    clock = StepClock()
    trainer = BucketTrainer(
        model=model,
        args=arguments,
        data_collator=collate,
        train_dataset=Dataset(train.select(columns).to_arrow()),
        eval_dataset=Dataset(validation.select(columns).to_arrow()),
        compute_metrics=metrics_of,
        callbacks=[EarlyStoppingCallback(settings.patience, 0.5 / validation.height), clock],
        lengths=train["length"].to_numpy(),
    )
    if arguments.disable_tqdm:
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(PlainProgress())
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    return _fitted(trainer, settings, clock)


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint in a folder, or None. One that was cut off while it was written is removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            whole.append((json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))["global_step"], path))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path)
    return str(max(whole)[1]) if whole else None


def _fitted(trainer: BucketTrainer, settings: Train, clock: StepClock) -> Fitted:
    history = trainer.state.log_history
    loss = pl.DataFrame(
        [(row["step"], round(row["loss"], 6)) for row in history if "loss" in row], schema=["step", "loss"], orient="row"
    )
    rows = [row for row in history if "eval_macro_f1" in row]
    validation = pl.DataFrame(
        [(round(row["epoch"]), *(round(row[f"eval_{name}"], 6) for name in ("loss", "macro_f1", "accuracy"))) for row in rows],
        schema=["epoch", "loss", "macro_f1", "accuracy"],
        orient="row",
    )
    best = max(rows, key=lambda row: row["eval_selection"])
    optimizer = trainer.optimizer
    assert optimizer is not None
    metrics = {
        "best_epoch": round(best["epoch"]),
        "epochs": len(rows),
        "steps": trainer.state.global_step,
        "lr": min(group["initial_lr"] for group in optimizer.param_groups),  # as the optimiser got it
        "parameters": sum(parameter.numel() for _, parameter in model_parameters(trainer)),
        "validation_macro_f1": round(best["eval_macro_f1"], 6),
        "validation_accuracy": round(best["eval_accuracy"], 6),
        "threads": settings.threads,
    }
    return Fitted(metrics, loss, validation, clock)
