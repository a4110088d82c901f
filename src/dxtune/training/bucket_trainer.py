"""transformers' Trainer, made exact: one order of batches however they are computed, and a stop that explains itself.

Every process reads every batch whole and computes its share of the notes, in pieces where memory asks for it. So micro-batches
and several processes give the gradient of the one batch: the loss of a piece is its sum over the notes of the whole batch.
"""

import contextlib
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils.memory import should_reduce_batch_size
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from transformers import Trainer

from dxtune.errors import ModelError
from dxtune.training.callbacks import Course, say
from dxtune.training.sampler import BucketSampler

ROWS = "rows"
"""What a batch calls the places of its notes in the table: notes are told apart by it, never by their place in a batch."""
DIVERGED = 20.0
"""A mean loss, in nats a note, that is no learning any more: guessing among a million labels costs 14."""
TRY = (
    "Try a lower train.lr (a third), a higher train.warmup_share, a lower train.max_grad_norm, or train.precision: fp32; "
    "look at those notes, too (data/tokens: empty, or all one token)"
)


class BucketTrainer(Trainer):
    """A Trainer whose batches hold notes of like length, in an order fixed by (seed, epoch).

    lengths: (rows,) tokens; note_ids: (rows,) names for messages. A batch holds `rows`, the model's inputs, and labels.
    """

    def __init__(self, *args: Any, lengths: np.ndarray, note_ids: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lengths, self.note_ids = lengths, note_ids
        self.last_norm = math.nan

    @property
    def course(self) -> Course:
        """The run's memory: after a restart it is another object."""
        return next(each for each in self.callback_handler.callbacks if isinstance(each, Course))

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches of an epoch, the same in every process."""
        self.sampler = BucketSampler(self.lengths, self.args.train_batch_size, self.args.seed)
        loader = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_size=self.args.train_batch_size,
            sampler=self.sampler,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        made: DataLoader[Any] = prepare_data_loader(
            loader, self.args.device, num_processes=1, process_index=0, put_on_device=True
        )
        return made

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

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """The mean loss of the batch, its gradient added up. Raises ModelError where it is no number, or far too large."""
        rows = inputs.pop(ROWS).tolist()
        before = self.course.at_once
        while True:
            try:
                loss = self._gradient(model, inputs, len(rows))
                break
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                self._take_fewer(len(rows))
            model.zero_grad()  # outside of `except`, whose traceback holds on to the memory of the failed try
        if self.course.at_once != before:
            say(
                f"out of memory at step {self.state.global_step + 1}: from here on {self.course.at_once} notes at a time, not "
                f"{before}; their gradients add up to the same batch of {self.args.train_batch_size}. To start so: "
                "train.micro_batch"
            )
        value = loss.item()
        mean = self.course.add(self.state.global_step + 1, value)
        if not math.isfinite(value) or (mean is not None and mean > DIVERGED):
            self._stop("the loss is", value if mean is None else mean, rows)
        self.rows = rows
        return loss

    def _gradient(self, model: Any, inputs: dict[str, Any], count: int) -> torch.Tensor:
        processes, course = self.accelerator.num_processes, self.course
        if processes == 1 and course.at_once >= count:
            return super().training_step(model, inputs)
        model.train()
        items = (inputs["labels"] != -100).sum()
        own = range(self.accelerator.process_index, count, processes)
        pieces = [own[start : start + course.at_once] for start in range(0, len(own), course.at_once)]
        total = torch.zeros((), device=self.args.device)
        for piece in pieces or [range(1)]:  # a process without a note computes one for nothing, so that all do the same
            part = self._prepare_inputs({name: tensor[list(piece)] for name, tensor in inputs.items()})
            last = not pieces or piece is pieces[-1]
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss = model(**part, num_items_in_batch=items)["loss"] * (processes if pieces else 0)
                self.accelerator.backward(loss)
            total += loss.detach()
        return self.accelerator.reduce(total, "mean") if processes > 1 else total

    def _take_fewer(self, count: int) -> None:
        """Halves how many notes are computed at a time. Raises ModelError where that cannot go on."""
        course, processes = self.course, self.accelerator.num_processes
        now = min(course.at_once, -(-count // processes))
        if processes > 1 or now == 1:
            raise ModelError(
                f"out of memory at step {self.state.global_step + 1} with {now} notes of up to {self.lengths.max()} tokens at "
                "a time: lower train.micro_batch or tokenize.max_tokens, or choose a smaller model"
            )
        course.at_once = now // 2

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[no-untyped-call]
        self.last_norm = float(norm)
        if not math.isfinite(self.last_norm):
            self._stop("the gradient's norm is", self.last_norm, self.rows)
        return norm

    def _stop(self, what: str, value: float, rows: list[int]) -> None:
        """Raises ModelError with all that is known of the step. No weights of it are kept."""
        gradients = [each.grad.norm() for _, each in model_parameters(self) if each.grad is not None]
        norm = float(torch.stack(gradients).norm()) if gradients else self.last_norm
        rate = self._get_learning_rate()
        raise ModelError(
            f"training diverged at step {self.state.global_step + 1} of {self.state.max_steps}: {what} {value:.4g}, expected a "
            f"finite one and a mean loss up to {DIVERGED:.0f}. Learning rate {rate:.3g}, gradient norm {norm:.4g}, the step "
            f"before {self.last_norm:.4g}, notes {', '.join(self.note_ids[row] for row in rows)}. {TRY}"
        )

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in transformers, and each prediction takes along which row it is of."""
        rows = self._prepare_input(inputs.pop(ROWS))
        loss, logits, labels = super().prediction_step(model, inputs, *args, **kwargs)
        return loss, logits, (labels, rows)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Raises ModelError where the disk is full: the checkpoint before stays, and is where the next run starts."""
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            folder = Path(self.args.output_dir or "")
            shutil.rmtree(folder / f"checkpoint-{self.state.global_step}", ignore_errors=True)
            left = sorted(int(path.name.rpartition("-")[2]) for path in folder.glob("checkpoint-*"))
            raise ModelError(
                f"the checkpoint of step {self.state.global_step} could not be written to {folder} "
                f"({type(error).__name__}: {str(error).splitlines()[0][:120]}): is the disk full? Free some space and run "
                f"again: it goes on from {f'step {left[-1]}' if left else 'the start'}"
            ) from None


def model_parameters(trainer: Trainer) -> list[tuple[str, torch.nn.Parameter]]:
    """The named parameters of a trainer's model."""
    model = trainer.model
    assert model is not None
    return list(model.named_parameters())
