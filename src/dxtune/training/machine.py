"""What the machine can do, and how torch is told to use it. torch is imported inside: `dxtune --help` never loads it."""

import ctypes
import os
import random
from typing import Literal

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


def keep_memory() -> bool:
    """True once glibc's malloc keeps freed memory instead of giving it back to the kernel (False on other C libraries).

    A training step frees and asks again for hundreds of megabytes; fresh pages cost a third of a CPU step's time. And for what
    has 2 MB or more, torch asks for large pages: products find it faster. Call it before torch allocates.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except OSError:
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, 2**31 - 1), mallopt(M_TOP_PAD, 2**28)])


def prepare(threads: int, seed: int) -> None:
    """Sets everything that torch's results depend on: threads, seeds, deterministic kernels."""
    keep_memory()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import numpy as np
    import torch
    from torch.utils import deterministic

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Memory that nobody wrote, nobody reads: filling it takes a twentieth of a step.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def resolve_precision(precision: Literal["auto", "bf16", "fp32"]) -> Literal["bf16", "fp32"]:
    """The number format to compute in: `auto` is bf16 where the processor multiplies it natively, else fp32."""
    import torch

    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16")) else "fp32"
