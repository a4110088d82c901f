"""One run in several processes, started by torchrun or accelerate, on CPUs (gloo) or GPUs (nccl). torch is imported inside."""

import contextlib
import copy
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import psutil

from dxtune.errors import ParamsError

STOPPED = 128 + signal.SIGTERM
"""Exit code of a run that was asked to stop, as a shell has it."""
SUPERVISOR = "DXTUNE_SUPERVISOR"
"""Of the environment: the number of the process that waits for all others of a run."""


def join(processes: int, threads: int, accelerate: str | None) -> None:
    """Returns in each of the `processes` that share a run. Where there is one yet, it starts them all, waits, and exits.

    accelerate: a configuration file of accelerate; None: torchrun. Raises ParamsError where that file is missing, and where
    another launcher started another number of them.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if "RANK" in os.environ and started != processes:
        raise ParamsError(
            f"train.processes = {processes}, but {started} were started: set it to {started}, or start {processes}"
        )
    if "RANK" in os.environ and SUPERVISOR in os.environ:
        threading.Thread(target=_stop_without, args=(int(os.environ[SUPERVISOR]),), daemon=True).start()
    if "RANK" not in os.environ and processes > 1:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
        if accelerate is not None:
            if not Path(accelerate).is_file():
                raise ParamsError(f"train.accelerate = {accelerate}: no such file: name one of recipes/accelerate, or set null")
            numbers = [f"--num_processes={processes}", f"--num_cpu_threads_per_process={threads}"]
            launcher = ["accelerate.commands.launch", f"--config_file={accelerate}", *numbers, "--module"]
        sys.exit(_supervise([sys.executable, "-m", *launcher, "dxtune", "train"]))


def _supervise(launcher: list[str]) -> int:
    """The exit code of a launcher; STOPPED where this process was asked to stop, once all that it started have saved.

    torchrun itself would end with a traceback. It has a session of its own, so that a signal to all comes here alone.
    """
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: asked.append(number))
    own = {**os.environ, SUPERVISOR: str(os.getpid())}
    child = subprocess.Popen(launcher, env=own, start_new_session=True)  # noqa: S603
    told: set[int] = set()
    while child.poll() is None:
        time.sleep(0.1)
        for worker in psutil.Process(child.pid).children(recursive=True) if asked else ():
            if worker.pid not in told:
                told.add(worker.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.terminate()
    return STOPPED if asked else child.returncode


def _stop_without(supervisor: int) -> None:
    """Asks this process to stop once the supervisor is gone: who killed it wants no run that nobody sees."""
    while psutil.pid_exists(supervisor):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def stop() -> NoReturn:
    """Ends a run that was asked to stop and has saved: what torchrun is to take for a success, the supervisor tells apart."""
    sys.exit(0 if SUPERVISOR in os.environ else STOPPED)


def is_first() -> bool:
    """Whether this process writes what all of them made."""
    return os.environ.get("RANK", "0") == "0"


def spare(model: Any) -> Any:
    """A copy of the model for `whole`, where FSDP is about to divide its weights among the processes; else the model itself."""
    return copy.deepcopy(model) if os.environ.get("ACCELERATE_USE_FSDP", "false") == "true" else model


def whole(model: Any, spare: Any) -> Any:
    """The trained model on the CPU, whole: under FSDP each process has a share, and `spare` takes what they have together.

    All processes have to call it; the first one gets the weights.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    if spare is not model:
        weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if is_first():
            spare.load_state_dict(weights, strict=False)  # without what a model leaves out of its checkpoints
    return spare.to("cpu")
