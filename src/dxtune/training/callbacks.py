"""What watches a run: its clock, its progress lines, what it remembers over a restart, and the wish to stop."""

import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from dxtune.files import write_text
from dxtune.training.processes import stop

NOT_FIGURES = {"selection", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time"}
"""What the log of an epoch holds besides the figures of validation."""


class StepClock(TrainerCallback):
    """Seconds inside each optimiser step: forward, backward and update, without validation and checkpoints."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.started = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self.started)


class Course(TrainerCallback, ExportableState):
    """What a checkpoint remembers besides the weights: the loss curve, and how many notes are computed at a time.

    transformers' own log forgets, over a restart within an epoch, the losses since its last line.
    """

    def __init__(self, every: int, at_once: int) -> None:
        self.every, self.at_once = every, at_once
        self.points: list[tuple[int, float]] = []
        self.total, self.steps = 0.0, 0

    def add(self, step: int, loss: float) -> float | None:
        """Takes the loss of a step (counted from 1); the mean since the last point, where this step makes one."""
        self.total, self.steps = float(np.float32(self.total) + np.float32(loss)), self.steps + 1
        if step % self.every:
            return None
        self.points.append((step, self.total / self.steps))
        self.total, self.steps = 0.0, 0
        return self.points[-1][1]

    def state(self) -> dict[str, Any]:
        """What transformers writes into trainer_state.json, and makes this object from again."""
        kept = ("points", "total", "steps")
        return {
            "args": {"every": self.every, "at_once": self.at_once},
            "attributes": {name: getattr(self, name) for name in kept},
        }


class Curve(TrainerCallback):
    """The curve of validation up to now in a file, written anew after each epoch for whoever watches the run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            write_text(curve_of(state.log_history).write_csv(), self.path)


class StopWhenAsked(TrainerCallback):
    """On SIGTERM, as a machine that is about to be taken away sends it: a checkpoint after the step, and the end.

    The last step of an epoch is followed by validation and a checkpoint anyway: then it is that one.
    """

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch, self.asked = steps_per_epoch, False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        def ask(number: int, frame: FrameType | None) -> None:
            self.asked = True

        self.before = signal.signal(signal.SIGTERM, ask)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._agreed(args) and state.global_step % self.steps_per_epoch:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._agreed(args):
            if state.is_world_process_zero:
                say(f"asked to stop: checkpoint of step {state.global_step} saved. Run it again, and it goes on from there")
            stop()

    def _agreed(self, args: Any) -> bool:
        """Whether any of the processes was asked: they go on or stop together, or one would wait for the other.

        `asked` itself is set by the signal alone: it may come while the processes talk, and is heard the next time.
        """
        if args.world_size == 1:
            return self.asked
        agreed = torch.tensor(self.asked, dtype=torch.int32, device=args.device)
        torch.distributed.all_reduce(agreed, torch.distributed.ReduceOp.MAX)
        return bool(agreed)


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
        if now - self.last >= self.every_s and state.is_world_process_zero:
            self.last = now
            rate = (state.global_step - self.first_step) / (now - self.start)
            left = (state.max_steps - state.global_step) / rate
            notes = rate * args.train_batch_size
            say(f"step {state.global_step}/{state.max_steps}, {notes:.1f} notes/s, {left:.0f} s left")

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        figures = figures_of(kwargs["metrics"])
        if state.is_world_process_zero and len(figures) > 1:
            said = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
            say(f"epoch {state.epoch:.0f}: validation {said}")


def figures_of(row: Mapping[str, float]) -> dict[str, float]:
    """The loss and the figures of validation in an entry of the log, sorted by name, the loss first.

    >>> figures_of({"epoch": 1.0, "eval_runtime": 2.0, "eval_macro_f1": 0.5, "eval_loss": 0.25, "eval_accuracy": 0.75})
    {'loss': 0.25, 'accuracy': 0.75, 'macro_f1': 0.5}
    """
    named = {name.removeprefix("eval_"): value for name, value in row.items() if name.startswith("eval_")}
    names = sorted(named.keys() - NOT_FIGURES, key=lambda name: (name != "loss", name))
    return {name: round(named[name], 6) for name in names}


def curve_of(log: list[dict[str, float]]) -> pl.DataFrame:
    """The figures of validation in the log of a run: one row an epoch."""
    return pl.DataFrame([{"epoch": round(row["epoch"])} | figures_of(row) for row in log if "eval_selection" in row])


def say(line: str) -> None:
    """Writes a line about the run to stderr."""
    print(f"train: {line}", file=sys.stderr, flush=True)  # noqa: T201
