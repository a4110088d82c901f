"""Fine-tuning with transformers' Trainer: exact, resumable, and quick on a CPU. Model and collator are handed in."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import Dataset
from transformers import EarlyStoppingCallback, EvalPrediction, ProgressCallback, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from dxtune.errors import DataError
from dxtune.params import Train
from dxtune.training.bucket_trainer import ROWS, BucketTrainer, model_parameters
from dxtune.training.callbacks import Course, Curve, PlainProgress, StepClock, StopWhenAsked, curve_of, figures_of

EVAL_BATCH = 64
NOT_READ = ("note_id", "patient_id", "length")
"""Columns of a table of tokens that no batch is made of."""
Collate = Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]
"""From rows of a table of tokens to a batch."""
LATER_WINS = 1e-9
"""What an epoch is worth: nothing against one validation note, enough to decide between equals."""


@dataclass(frozen=True)
class Fitted:
    """What training leaves: figures for metrics/train.json, the two curves, and the clock. The model is trained in place."""

    metrics: dict[str, Any]
    loss: pl.DataFrame
    validation: pl.DataFrame
    clock: StepClock


def fit(
    model: torch.nn.Module,
    collate: Collate,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    score: Callable[[np.ndarray], dict[str, float]],
    settings: Train,
    precision: str,
    checkpoints: Path,
) -> Fitted:
    """Trains `model` in place and leaves it at its best epoch by the first figure of `score`, counted in steps of one note.

    A difference below what one validation note can make is noise, so such epochs are equals and the later one is kept: with
    the learning rate decayed it is the settled one. Equals do not count as progress for `patience`.

    train, validation: tables of records.tokens. score: from the logits of validation's rows, in their order, to figures,
    the more of the first the better. checkpoints: a folder that belongs to exactly these inputs: an unfinished run found there
    is continued, and gives the same weights.

    Raises ModelError where training diverges, memory does not do for one note, or a checkpoint cannot be written; SystemExit
    once a checkpoint is saved after SIGTERM.
    """
    notes = validation["note_id"].n_unique()

    def metrics_of(output: EvalPrediction) -> dict[str, float]:
        metrics = score(_in_row_order(output, validation.height))
        steps = round(next(iter(metrics.values())) * notes)
        return metrics | {"selection": steps / notes + LATER_WINS * (trainer.state.epoch or 0.0)}

    clock = StepClock()
    trainer = _trainer(
        model,
        collate,
        train,
        settings,
        precision,
        checkpoints,
        eval_dataset=Dataset(validation.with_row_index(ROWS).sort("length", "note_id", ROWS).drop(NOT_READ).to_arrow()),
        compute_metrics=metrics_of,
        callbacks=[EarlyStoppingCallback(settings.patience, 0.5 / notes), Curve(checkpoints / "validation.csv"), clock],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    return _fitted(trainer, settings, clock)


def fit_without_validation(
    model: torch.nn.Module,
    collate: Callable[[list[dict[str, Any]], int], dict[str, torch.Tensor]],
    train: pl.DataFrame,
    settings: Train,
    precision: str,
    checkpoints: Path,
) -> pl.DataFrame:
    """The loss curve of settings.epochs epochs, after which `model` has its last weights. As exact and resumable as `fit`.

    collate: of rows, each with its place in `train` under ROWS, and the epoch, counted from 0: what it draws at random must
    follow from these alone, or a resumed run would see other batches.
    """
    trainer = _trainer(model, lambda rows: collate(rows, trainer.sampler.epoch), train, settings, precision, checkpoints)
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    return _loss_curve(trainer)


def _trainer(
    model: torch.nn.Module,
    collate: Collate,
    train: pl.DataFrame,
    settings: Train,
    precision: str,
    checkpoints: Path,
    callbacks: Sequence[TrainerCallback] = (),
    **validated: Any,
) -> BucketTrainer:
    """A trainer for what is left of a run. validated: what it needs to choose an epoch; without, the last one is kept."""

    def batch(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return collate(rows) | {ROWS: torch.tensor([row[ROWS] for row in rows])}

    steps_per_epoch = -(-train.height // settings.batch_size)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        learning_rate=settings.lr,
        num_train_epochs=_epochs_left(last_checkpoint(checkpoints), settings.epochs, steps_per_epoch),
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
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=bool(validated),
        metric_for_best_model="selection" if validated else None,
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_strategy="no",  # Course keeps the curve
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_backend=None if settings.processes == 1 else "nccl" if torch.cuda.is_available() else "gloo",
        ddp_find_unused_parameters=False,
    )
    trainer = BucketTrainer(
        model=model,
        args=arguments,
        data_collator=batch,
        train_dataset=Dataset(train.with_row_index(ROWS).drop(NOT_READ).to_arrow()),
        callbacks=[
            *callbacks,
            Course(max(1, steps_per_epoch // 10), settings.micro_batch or settings.batch_size),
            StopWhenAsked(steps_per_epoch),
        ],
        lengths=train["length"].to_numpy(),
        note_ids=train["note_id"].to_list(),
        **validated,
    )
    if arguments.disable_tqdm:
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(PlainProgress())
    return trainer


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint in a folder, or None. One that was cut off while it was written is removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            whole.append((json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))["global_step"], path))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path, ignore_errors=True)  # another process of the run may be at it
    return str(max(whole)[1]) if whole else None


def _epochs_left(checkpoint: str | None, epochs: int, steps_per_epoch: int) -> int:
    """How many epochs there are in all: where the checkpoint's run had lost its patience, those that it had.

    transformers forgets on a resume that training was to stop, and would go on.
    """
    if checkpoint is None:
        return epochs
    state = json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))
    stopped = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]
    return int(state["global_step"]) // steps_per_epoch if stopped else epochs


def _in_row_order(output: EvalPrediction, rows: int) -> np.ndarray:
    """The logits in the order of the table, whichever process gave them. Raises DataError unless each row is there once."""
    _, places = output.label_ids  # type: ignore[misc]
    order = np.argsort(places, kind="stable")
    if not np.array_equal(places[order], np.arange(rows)):
        raise DataError(f"validation: expected a prediction for each of {rows} rows, found {len(places)}: report this as a bug")
    return np.asarray(output.predictions)[order]


def _fitted(trainer: BucketTrainer, settings: Train, clock: StepClock) -> Fitted:
    history = trainer.state.log_history
    rows = [row for row in history if "eval_selection" in row]
    best = max(rows, key=lambda row: row["eval_selection"])
    optimizer = trainer.optimizer
    assert optimizer is not None
    metrics = {
        "best_epoch": round(best["epoch"]),
        "epochs": len(rows),
        "steps": trainer.state.global_step,
        "lr": min(group["initial_lr"] for group in optimizer.param_groups),  # as the optimiser got it
        "trained_parameters": sum(each.numel() for _, each in model_parameters(trainer) if each.requires_grad),
        "threads": settings.threads,
    }
    metrics |= {f"validation_{name}": value for name, value in figures_of(best).items() if name != "loss"}
    return Fitted(metrics, _loss_curve(trainer), curve_of(history), clock)


def _loss_curve(trainer: BucketTrainer) -> pl.DataFrame:
    points = [(step, round(value, 6)) for step, value in trainer.course.points]
    return pl.DataFrame(points, schema=["step", "loss"], orient="row")
