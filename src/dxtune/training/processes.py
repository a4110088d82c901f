"""One run in several processes, started by torchrun or accelerate, on CPUs (gloo) or GPUs (nccl). torch is imported inside."""

import copy
import os
import sys
from pathlib import Path
from typing import Any

from dxtune.errors import ParamsError


def join(processes: int, threads: int, accelerate: str | None) -> None:
    """Returns in each of the `processes` that share a run; where there is one yet, becomes the launcher that starts them all.

    accelerate: a configuration file of accelerate; None: torchrun. Raises ParamsError where that file is missing, and where
    another launcher started another number of them.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if "RANK" in os.environ and started != processes:
        raise ParamsError(
            f"train.processes = {processes}, but {started} were started: set it to {started}, or start {processes}"
        )
    if "RANK" not in os.environ and processes > 1:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
        if accelerate is not None:
            if not Path(accelerate).is_file():
                raise ParamsError(f"train.accelerate = {accelerate}: no such file: name one of recipes/accelerate, or set null")
            numbers = [f"--num_processes={processes}", f"--num_cpu_threads_per_process={threads}"]
            launcher = ["accelerate.commands.launch", f"--config_file={accelerate}", *numbers, "--module"]
        os.execv(sys.executable, [sys.executable, "-m", *launcher, "dxtune", "train"])  # noqa: S606


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
