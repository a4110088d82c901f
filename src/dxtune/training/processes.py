"""One training run in several processes: started by torchrun, on CPUs (gloo) or GPUs (nccl). No torch here."""

import os
import sys

from dxtune.errors import ParamsError


def join(processes: int, threads: int) -> None:
    """Returns in each of the `processes` that share a run; where there is one yet, becomes torchrun, which starts them all.

    Raises ParamsError where another launcher (accelerate launch) started another number of them.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if "RANK" in os.environ and started != processes:
        raise ParamsError(
            f"train.processes = {processes}, but {started} were started: set it to {started}, or start {processes}"
        )
    if "RANK" not in os.environ and processes > 1:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        os.execv(sys.executable, [*torchrun, "-m", "dxtune", "train"])  # noqa: S606


def is_first() -> bool:
    """Whether this process writes what all of them made."""
    return os.environ.get("RANK", "0") == "0"
