"""De-identification: Microsoft Presidio, Philter and dxtune on the same notes, in one run: recall, loss, speed and memory.

    python benchmarks/deidentification.py GOLD.jsonl                            # about 5 minutes
    python benchmarks/deidentification.py GOLD.jsonl --tools dxtune --rounds 5  # dxtune alone

GOLD.jsonl is what `dxtune deid-eval` reads: a row a note with id, text, gold (or spans), and neutral if known. Recall any: the
gold spans that are touched; full: those whose every letter and digit is masked; lost: of the characters outside gold and
neutral spans, white space aside, those that are masked. dxtune sees each note by itself here, as the other tools do.

Each tool is a process of its own with one thread, and the other tools have virtual environments of their own, pinned by
deidentification_others/*.txt and made in .cache/benchmarks on first use (780 MB). The speed is that of warm processes: they
take turns, round by round, on the same notes, and the median counts, because the machine may be shared. Of Presidio the search
alone is timed; of Philter and dxtune the whole way from notes to notes. Start-up (from no process to a loaded tool) and the
first note are told apart.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from dxtune.deid.evaluation import GoldNote, Scores, read_gold, score
from dxtune.deid.spans import Span

RUNNERS = Path(__file__).resolve().parent / "deidentification_others"
ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "benchmarks"
PACKAGES = {"presidio": "presidio-analyzer", "philter": "philter-lite", "dxtune": "dxtune"}
THREADS = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "BLIS_NUM", "NUMEXPR_NUM", "VECLIB_MAXIMUM", "POLARS_MAX", "RAYON_NUM")
ONE_THREAD = {f"{name}_THREADS": "1" for name in THREADS}
LEAST_S = 1.0
"""Seconds of a round, at least: a fast tool goes over the notes again until they are over."""


class ToolFailed(Exception):
    """A tool could not be installed or did not answer: what happened, and where to read more."""


def environment(tool: str) -> tuple[Path, str]:
    """The Python of a tool's virtual environment, made when it is not there, and the version of the tool."""
    pins = RUNNERS / f"{tool}.txt"
    if not pins.exists():  # dxtune: the environment that runs this
        return Path(sys.executable), importlib.metadata.version(PACKAGES[tool])
    folder, log = CACHE / tool / "venv", CACHE / tool / "install.log"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    made_of = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "made_of"
    if not stamp.exists() or stamp.read_text() != made_of:
        print(f"{tool}: making {folder.relative_to(ROOT)} ...", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        install = ["pip", "install", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", str(pins)]
        with log.open("w") as output:
            for command in ([sys.executable, "-m", "venv", str(folder)], [str(python), "-m", *install]):
                if subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode:
                    raise ToolFailed(f"its environment could not be made: see {log.relative_to(ROOT)}")
        stamp.write_text(made_of)
    return python, next(row.split("==")[1] for row in pins.read_text().splitlines() if row.startswith(PACKAGES[tool]))


class Worker:
    """One tool, loaded, in a process of its own, which waits between questions."""

    def __init__(self, tool: str) -> None:
        python, self.version = environment(tool)
        self.log = CACHE / tool / "stderr.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        settings = {**os.environ, **ONE_THREAD, "PYTHONNOUSERSITE": "1", "TOKENIZERS_PARALLELISM": "false"}
        if python != Path(sys.executable):
            settings.pop("PYTHONPATH", None)
        started = time.perf_counter()
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                [str(python), str(RUNNERS / f"run_{tool}.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=settings, encoding="utf-8",
            )  # fmt: skip
        self.jobs: list[str] = self._answer()["jobs"]
        self.start_s = time.perf_counter() - started

    def ask(self, do: str, **rest: Any) -> dict[str, Any]:
        """What the tool answers. Raises ToolFailed where it ends instead."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps({"do": do, **rest}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer, which is none, says it
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise ToolFailed(f"its process ended with code {self.process.wait()}: see {self.log.relative_to(ROOT)}")
        return dict(json.loads(line))

    def stop(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()


class Result:
    """What is measured of one tool."""

    def __init__(self, worker: Worker, notes: list[GoldNote]) -> None:
        self.worker = worker
        self.first_ms = 1000 * float(worker.ask("find", texts=[notes[0].text])["seconds"])
        answer = worker.ask("find", texts=[note.text for note in notes])
        found = [[Span(start, end, "PHI") for start, end in spans] for spans in answer["spans"]]
        self.scores: Scores = score(notes, found)
        self.speeds: dict[str, list[float]] = {job: [] for job in worker.jobs}
        self.cores: list[float] = []
        self.peak_mb, self.remark = 0.0, ""

    def round(self, texts: list[str]) -> None:
        """Times every job of the tool once."""
        for job, speeds in self.speeds.items():
            answer = self.worker.ask(job, texts=texts, least_s=LEAST_S)
            speeds.append(answer["notes_per_s"])
            self.cores.append(answer["cores"])

    def end(self) -> None:
        """Asks for what is known at the end."""
        answer = self.worker.ask("end")
        self.peak_mb, self.remark = answer["peak_mb"], answer["remark"]


def measure(tools: list[str], notes: list[GoldNote], texts: list[str], rounds: int) -> dict[str, Result]:
    """The results of the tools that work; one that does not is told in a line, and the others go on."""
    workers: dict[str, Worker] = {}
    results: dict[str, Result] = {}

    def attempt(tool: str, step: Any) -> None:
        try:
            step()
        except ToolFailed as failure:
            print(f"{tool}: left out: {failure}", flush=True)
            results.pop(tool, None)

    try:
        for tool in tools:
            attempt(tool, lambda tool=tool: workers.update({tool: Worker(tool)}))
            if tool in workers:
                attempt(tool, lambda tool=tool: results.update({tool: Result(workers[tool], notes)}))
        for _ in range(rounds):
            for tool in list(results):
                attempt(tool, lambda tool=tool: results[tool].round(texts))
        for tool in list(results):
            attempt(tool, results[tool].end)
    finally:
        for worker in workers.values():
            worker.stop()
    return results


def table(results: dict[str, Result]) -> list[list[str]]:
    """A row for every job of every tool, under a header."""
    rows = [["", "any", "full", "lost", "notes/s", "(rounds)", "dxtune's ratio", "start-up", "first note", "peak memory"]]
    ours = next(iter(results["dxtune"].speeds.values())) if "dxtune" in results else None
    for tool, result in results.items():
        for number, (job, speeds) in enumerate(result.speeds.items()):
            scores = result.scores
            shares = [f"{scores.any:.3f}", f"{scores.full:.3f}", f"{scores.non_phi_lost:.1%}"]
            once = [f"{result.worker.start_s:.1f} s", f"{result.first_ms:.0f} ms", f"{result.peak_mb:.0f} MB"]
            ratio = "-"
            if ours:  # round by round, because the machine may be slower in one than in another
                times = statistics.median(a / b for a, b in zip(ours, speeds, strict=True))
                ratio = f"{times:,.0f}" if times >= 10 else f"{times:.2f}"
            speed = [f"{statistics.median(speeds):,.1f}", f"({min(speeds):,.1f}-{max(speeds):,.1f})", ratio]
            name = f"{tool} {result.worker.version}, {job}"
            rows.append([name, *(shares if number == 0 else [""] * 3), *speed, *(once if number == 0 else [""] * 3)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path, help="json lines: id, text, gold, neutral")
    parser.add_argument("--notes", type=int, default=300, help="notes for the recall, the first of the file")
    parser.add_argument("--timed", type=int, default=240, help="notes for the speed, evenly chosen from these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", default=",".join(PACKAGES), help="some of presidio,philter,dxtune")
    arguments = parser.parse_args()
    tools = list(dict.fromkeys(arguments.tools.split(",")))
    if unknown := set(tools) - set(PACKAGES):
        parser.error(f"--tools: expected some of {', '.join(PACKAGES)}, found {', '.join(sorted(unknown))}")
    if min(arguments.notes, arguments.timed, arguments.rounds) < 1:
        parser.error("--notes, --timed, --rounds: expected 1 or more")

    notes = read_gold(arguments.gold)[: arguments.notes]
    chosen = np.linspace(0, len(notes) - 1, min(arguments.timed, len(notes))).round().astype(int)
    texts = [notes[place].text for place in chosen]
    results = measure(tools, notes, texts, arguments.rounds)
    if not results:
        sys.exit("no tool could be run")

    spans, characters = sum(len(note.gold) for note in notes), sum(map(len, texts)) / len(texts)
    print(f"recall and loss: {len(notes):,} notes with {spans:,} gold spans.", end=" ")
    print(f"Speed: {len(texts)} of them, {characters:,.0f} characters each, median of {arguments.rounds} rounds, one thread.")
    print("dxtune's ratio: its notes/s with placeholders over those of the row. Start-up, first note, memory: once a tool.\n")
    rows = table(results)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip())
    for tool, result in results.items():
        if result.remark:
            print(f"{tool}: {result.remark}")
        if max(result.cores) > 1.05:
            print(f"{tool}: kept {max(result.cores):.2f} cores busy: not a figure of one thread")
        if min(result.cores) < 0.9:
            print(f"{tool}: had only {min(result.cores):.0%} of a core in one round: the machine was busy")


if __name__ == "__main__":
    main()
