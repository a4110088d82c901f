"""One de-identifier in a process of its own, which answers benchmarks/deidentification.py line by line (JSON in, JSON out).

Standard library only: it runs in the virtual environments of the other tools as well.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Texts = list[str]
Spans = list[tuple[int, int]]


@dataclass
class Tool:
    """What a runner hands over: `find` says what is masked, `jobs` are timed, `remark` may add a sentence at the end."""

    find: Callable[[Texts], list[Spans]]
    jobs: dict[str, Callable[[Texts], object]]
    remark: Callable[[], str] = str


def serve(load: Callable[[], Tool]) -> None:
    """Loads the tool, says so, and answers until the input ends. What a tool prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tool = load()

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    say({"jobs": list(tool.jobs)})
    for line in sys.stdin:
        request = json.loads(line)
        texts = request.get("texts", [])
        if request["do"] == "find":
            started = time.perf_counter()
            spans = tool.find(texts)
            say({"seconds": time.perf_counter() - started, "spans": spans})
        elif request["do"] == "end":
            say({"peak_mb": peak_mb(), "remark": tool.remark()})
        else:
            say(timed(tool.jobs[request["do"]], texts, request["least_s"]))


def timed(job: Callable[[Texts], object], texts: Texts, least_s: float) -> dict[str, float]:
    """Notes per second of whole passes over the texts that take at least `least_s`, and how many cores were busy meanwhile."""
    started, cpu, passes, seconds = time.perf_counter(), time.process_time(), 0, 0.0
    while seconds < least_s:
        job(texts)
        passes += 1
        seconds = time.perf_counter() - started
    return {"notes_per_s": passes * len(texts) / seconds, "cores": (time.process_time() - cpu) / seconds}


def peak_mb() -> float:
    """The most memory that this process ever held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage may tell the memory of the parent, which the process had before it became this one
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
