"""training/machine.py: what torch is told of memory."""

import subprocess
import sys
from pathlib import Path

import pytest

LARGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
ALLOCATES = """
from dxtune.training.machine import keep_memory
kept = keep_memory()
import torch
place = torch.ones(16 * 2**20, dtype=torch.uint8)
middle = place.data_ptr() + place.numel() // 2
for line in open("/proc/self/smaps"):
    if "-" in line.split(" ")[0]:
        start, end = (int(each, 16) for each in line.split(" ")[0].split("-"))
    if line.startswith("VmFlags:") and start <= middle < end:
        print(kept, "hg" in line.split())
"""


@pytest.mark.skipif(not LARGE.is_file(), reason="this kernel has no transparent large pages")
def test_memory_of_torch_may_have_large_pages() -> None:
    done = subprocess.run([sys.executable, "-c", ALLOCATES], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
