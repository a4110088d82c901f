"""Runs of training that come to harm, each in a process of its own. Forked, so that torch is loaded once for all of them:
the process that forks neither trains nor touches a table (polars' threads do not outlive a fork).

python -m tests.training.robust SCENARIO BASE_MODEL FOLDER      writes what happened as JSON
"""

import hashlib
import json
import os
import random
import resource
import signal
import sys
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
from dxtune.training.trainer import last_checkpoint
from tests.training.test_trainer import tokens, train

KILLS = 10
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


def killed(base: Path, folder: Path, kills: int = KILLS, **more: Any) -> dict[str, Any]:
    """SIGKILL at random moments of a run, half of them while a checkpoint is written; each next run goes on."""
    changes: dict[str, Any] = {"hidden_dropout": 0.1, "epochs": 5, "patience": 5} | more
    started = time.monotonic()
    unbroken = finish(base, folder, "unbroken", **changes)
    duration = time.monotonic() - started
    rng = random.Random()
    at: list[str] = []
    ends: list[str] = []
    while len(at) < kills:
        checkpoints = folder / f"run{len(ends)}"
        child = spawn(lambda to=checkpoints: train(base, to, **changes), folder / "log")  # type: ignore[misc]
        wanted, deadline = rng.choice(SAVED), time.monotonic() + rng.uniform(0.1, 0.9) * duration
        places = (checkpoints, checkpoints / "domain_adaptation")
        before = {path for place in places for path in place.glob("checkpoint-*")}
        in_a_save, which = len(at) % 2 == 0, rng.randint(1, 2)
        while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            found = [path for place in places for path in place.glob(f"checkpoint-*/{wanted}") if path.parent not in before]
            if len(found) >= which if in_a_save else time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                break
        if wait(child) == -signal.SIGKILL:
            left = last_checkpoint(places[0]) or last_checkpoint(places[1])
            at.append(f"{wanted if in_a_save else 'a step'} after {left and Path(left).relative_to(checkpoints)}")
        else:
            ends.append(finish(base, folder, checkpoints.name, **changes))
    ends.append(finish(base, folder, f"run{len(ends)}", **changes))
    return {"unbroken": unbroken, "ends": ends, "killed_at": at}


def killed_around_adaptation(base: Path, folder: Path) -> dict[str, Any]:
    """The same where most of the run is domain adaptation, its batches computed in pieces."""
    return killed(base, folder, 6, domain_adaptation_epochs=4, epochs=2, micro_batch=5)


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
