"""Runs of training that come to harm, each in a process of its own. Forked, so that torch is loaded once for all of them:
the process that forks neither trains nor touches a table (polars' threads do not outlive a fork).

python -m tests.training.robust BASE_MODEL FOLDER      writes what happened as JSON, by scenario
"""

import hashlib
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import Trainer

from dxtune.errors import ModelError
from dxtune.tasks import classification
from dxtune.training.bucket_trainer import BucketTrainer
from dxtune.training.trainer import last_checkpoint
from tests.training.test_trainer import tokens, train

EPOCH = 15
"""Steps of test_trainer's notes in its batches."""
SAVED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def spawn(work: Callable[[], Any], log: Path) -> int:
    """The process id of a child that does `work`; its stderr goes to a file, a ModelError is exit code 3."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        work()
    except ModelError as error:
        sys.stderr.write(str(error))
        sys.stderr.flush()
        os._exit(3)
    except SystemExit as stop:
        os._exit(int(str(stop.code)))
    except BaseException as error:
        sys.stderr.write(repr(error))
        sys.stderr.flush()
        os._exit(9)
    os._exit(0)


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def finish(base: Path, folder: Path, checkpoints: str, **changes: Any) -> str:
    """Trains to the end in a child: SHA-256 of the final safetensors, and of all figures and curves."""

    def work() -> None:
        model, fitted = train(base, folder / checkpoints, **changes)
        classification.save(model, folder / "final", ["a", "b", "c"], {})
        curves = fitted.loss.write_csv() + fitted.validation.write_csv() + json.dumps(fitted.metrics)
        (folder / "figures").write_text(hashlib.sha256(curves.encode()).hexdigest())

    status = wait(spawn(work, folder / "log"))
    if status:
        return f"ended with {status}: {(folder / 'log').read_text()[-500:]}"
    weights = hashlib.sha256((folder / "final/model.safetensors").read_bytes()).hexdigest()
    return f"{weights} {(folder / 'figures').read_text()}"


def die(when: Callable[[], bool]) -> threading.Thread:
    """A thread of this process that ends it by SIGKILL as soon as `when`."""

    def watch() -> None:
        while not when():
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def die_in_step(checkpoints: Path, step: int, delay: float) -> None:
    """SIGKILL `delay` seconds into a step of the run that has its checkpoints there, or before the next step at the latest."""
    compute, killers = BucketTrainer.training_step, []

    def training_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        for killer in killers:
            killer.join()
        if (self.args.output_dir, self.state.global_step + 1) == (str(checkpoints), step):
            started = time.monotonic()
            killers.append(die(lambda: time.monotonic() - started >= delay))
        return compute(self, *args, **kwargs)

    BucketTrainer.training_step = training_step  # type: ignore[method-assign]


def die_in_save(checkpoints: Path, step: int, file: str) -> None:
    """SIGKILL once a file of the checkpoint of that step is there, half written or whole; what comes behind it is not."""
    save = BucketTrainer._save_checkpoint

    def _save_checkpoint(self: Any, *args: Any) -> None:
        if (self.args.output_dir, self.state.global_step) != (str(checkpoints), step):
            return save(self, *args)
        killer = die((checkpoints / f"checkpoint-{step}" / file).exists)
        save(self, *args)
        killer.join()

    BucketTrainer._save_checkpoint = _save_checkpoint  # type: ignore[method-assign]


def killed(base: Path, folder: Path, **more: Any) -> dict[str, Any]:
    """SIGKILL at random moments of a run, two in each epoch: in a step, and while the checkpoint is written. It goes on."""
    changes: dict[str, Any] = {"hidden_dropout": 0.1, "epochs": 5, "patience": 5, "domain_adaptation_epochs": 0} | more
    unbroken = finish(base, folder, "unbroken", **changes)
    run, rng = folder / "run", random.Random()
    places = (run / "domain_adaptation", changes["domain_adaptation_epochs"]), (run, changes["epochs"])
    kills = []
    for place, epochs in places:
        for end in range(EPOCH, EPOCH * epochs + 1, EPOCH):
            step, delay, file = end - rng.randrange(1, EPOCH), rng.uniform(0, 0.02), rng.choice(SAVED)
            for die_there in (partial(die_in_step, place, step, delay), partial(die_in_save, place, end, file)):

                def work(die_there: Callable[[], None] = die_there) -> None:
                    die_there()
                    train(base, run, **changes)

                status = wait(spawn(work, folder / "log"))
                left = last_checkpoint(run) or last_checkpoint(run / "domain_adaptation")
                kills.append([*map(str, die_there.args[1:]), status, left and str(Path(left).relative_to(run))])
    return {"unbroken": unbroken, "end": finish(base, folder, "run", **changes), "kills": kills}


def killed_around_adaptation(base: Path, folder: Path) -> dict[str, Any]:
    """The same where most of the run is domain adaptation, its batches computed in pieces."""
    return killed(base, folder, domain_adaptation_epochs=4, epochs=2, micro_batch=5)


def at_step(step: int, event: Callable[[], Any]) -> None:
    """Makes something happen in this process while a step is computed."""
    compute = Trainer.training_step

    def training_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step + 1 == step:
            event()
        return compute(self, *args, **kwargs)

    Trainer.training_step = training_step


def asked(base: Path, folder: Path) -> dict[str, Any]:
    """SIGTERM in the middle of epochs, at the end of one, and while patience runs out; the runs go on to the end."""
    changes: dict[str, Any] = {"hidden_dropout": 0.1, "epochs": 8, "patience": 2, "lr": 1e-12}  # no progress: stops at 3
    unbroken = finish(base, folder, "unbroken", **changes)
    stops = []
    for step in (4, 22, 30, 40, 45):

        def work(step: int = step) -> None:
            at_step(step, lambda: os.kill(os.getpid(), signal.SIGTERM))
            train(base, folder / "run", **changes)

        status = wait(spawn(work, folder / "log"))
        stops.append([status, (folder / "log").read_text().strip().splitlines()[-1], last_checkpoint(folder / "run")])
    return {"unbroken": unbroken, "end": finish(base, folder, "run", **changes), "stops": stops}


def full(base: Path, folder: Path) -> dict[str, Any]:
    """A disk with no room for the optimiser's state of the second checkpoint."""

    def work() -> None:
        at_step(20, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY)))
        train(base, folder / "run", hidden_dropout=0.1)

    unbroken = finish(base, folder, "unbroken", hidden_dropout=0.1)
    status = wait(spawn(work, folder / "log"))
    says, left = (folder / "log").read_text(), sorted(path.name for path in (folder / "run").glob("*checkpoint*"))
    end = finish(base, folder, "run", hidden_dropout=0.1)
    return {"unbroken": unbroken, "end": end, "status": status, "says": says, "left": left}


def memory(base: Path, folder: Path) -> dict[str, Any]:
    """Memory for a part of the batch only, from the first step on."""

    def limit() -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 64_000_000, resource.RLIM_INFINITY))

    def work(name: str) -> None:
        if name == "limited":
            at_step(1, limit)
        ids = pl.Series("input_ids", [[2, *[50 + row % 3] * 480, 3] for row in range(256)], dtype=pl.List(pl.Int32))
        notes = tokens(256, 0).with_columns(ids, pl.lit(482, pl.Int32).alias("length"))
        model, fitted = train(base, folder / name, notes, batch_size=256, epochs=1)
        torch.save([fitted.loss["loss"].to_list(), model.state_dict()], folder / f"{name}.pt")

    status = [wait(spawn(partial(work, name), folder / f"log_{name}")) for name in ("whole", "limited")]
    return {"status": status, "says": (folder / "log_limited").read_text()}


if __name__ == "__main__":
    base_model, place = map(Path, sys.argv[1:])
    said = {}
    for scenario in (killed, killed_around_adaptation, asked, full, memory):
        (place / scenario.__name__).mkdir()
        said[scenario.__name__] = scenario(base_model, place / scenario.__name__)
    sys.stdout.write(json.dumps(said))
