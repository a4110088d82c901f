"""The data stages at several sizes: time and memory of each, what appending costs, what a second worker gives.

    python benchmarks/data_scale.py                              # 10,000 and 100,000 notes: half an hour
    python benchmarks/data_scale.py --sizes 1000000 --only-grow  # by hand: 40 minutes
    python benchmarks/data_scale.py --quick                      # a few hundred notes: whether the benchmark itself works

Notes are synthetic: about 2,400 characters of filled templates of dxtune.deid_training, four a patient and far apart, in a
jsonl file. collect, deidentify, preprocess and tokenize run as `dxtune STAGE`, one after another, as dvc runs them, in a
scratch project. Memory is that of all processes of a stage together: the peak of the sum of their proportional set sizes
(PSS), ten times a second. Appending adds 1 % of new patients, as often as there are rounds, and the median counts. tokenize,
start-up and files and all, is compared with `tokenizers` alone: encode_batch_fast over the same texts, a shard at a time, on
all processors, in this process, before and after it, because the machine is not the same from minute to minute. For the same
reason that is done as often as there are rounds and the median counts, and one worker and two take turns: both on up to
ROUNDS_NOTES notes.

Everything is printed at each size, and judged; what counts for the exit code is the largest size, because starting four
processes takes seconds whatever there is to do.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ruamel.yaml import YAML

from dxtune import shards
from dxtune.deid_training.fill import FAMILIES, corpus
from dxtune.params import SPLITS, load_params
from dxtune.training.base_model import find_base_model, load_tokenizer

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("collect", "deidentify", "preprocess", "tokenize")
CHARACTERS, NOTES_PER_PATIENT, LABELS = 2400, 4, 10
WARD = 3000  # notes among which those of a patient lie far apart, so that many a patient has notes in two shards
COPIES = 20  # fillings of each block: 70,000 texts with names and numbers of their own, from which notes are put together
RAW_NOTES = 50_000  # that `tokenizers` alone encodes, at the most
ROUNDS_NOTES = 100_000  # of what is measured in rounds, at the most; of fewer shards their number counts
SETTINGS = {
    "collect": {"source": "table", "path": "notes.jsonl", "patient_column": "patient", "subgroup_columns": []},
    "deidentify": {"key": "public"},
    "preprocess": {"split": "stable"},
    "tokenize": {"max_truncated_share": 1.0},
}
PEAK_GB, APPEND, TWO_WORKERS, TOKENIZE, LINEAR = 2.0, 0.04, 1.7, 0.8, 1.15


class Cost(NamedTuple):
    """What a stage took: seconds, and the peak of its memory in GB."""

    seconds: float
    peak_gb: float


def notes(count: int, seed: int) -> Iterator[str]:
    """Lines of jsonl: notes of made-up patients, each put together from blocks drawn at random."""
    blocks = [filled.text for filled in corpus(FAMILIES, COPIES, seed)]
    rng = random.Random(seed)
    for number in range(count):
        text, size = [], 0
        while size < CHARACTERS:
            text.append(rng.choice(blocks))
            size += len(text[-1]) + 2
        row = {
            "text": "\n\n".join(text)[: CHARACTERS + 400],
            "label": f"diagnosis {rng.randrange(LABELS)}",
            "patient": f"{seed}-{number // WARD}-{number % (WARD // NOTES_PER_PATIENT)}",
        }
        yield json.dumps(row) + "\n"


def make_project(root: Path, count: int, workers: int) -> None:
    """A folder with params.yaml, dvc.yaml and the notes."""
    root.mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", root)
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, changes in SETTINGS.items():
        params[section].update(changes)
    params["data"]["workers"] = workers
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    with (root / "notes.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(notes(count, 1))
    run_stage(root, "fingerprint")


def run_stage(root: Path, stage: str) -> Cost:
    """Runs a stage there, and watches its memory. Raises CalledProcessError where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "DXTUNE_DEID_KEY")}
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "dxtune"), stage], cwd=root, env=environment, stderr=subprocess.PIPE, text=True
    )
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
    watcher.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - started
    watcher.join()
    if process.returncode:
        print(errors[-2000:], file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, f"dxtune {stage}")
    return Cost(seconds, peak[0])


def watch(process: "subprocess.Popen[str]", peak: list[float]) -> None:
    """Keeps the highest sum of the memory of a process and all below it, in GB."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(memory_kb, tree(process.pid))) / (1 << 20))
        time.sleep(0.1)


def tree(pid: int) -> list[int]:
    """The number of a process and those of all below it."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in below for one in tree(int(child)))]


def memory_kb(pid: int) -> int:
    """The proportional set size of a process, 0 where it has ended."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in rows if row.startswith("Pss:")), 0)


def run_all(root: Path, stages: Sequence[str]) -> dict[str, Cost]:
    """What each of some stages costs. The source is read before, as DVC does to learn whether it changed: no file is cold."""
    with (root / "notes.jsonl").open("rb") as file:
        hashlib.file_digest(file, "md5")
    return {stage: run_stage(root, stage) for stage in stages}


def append(root: Path, count: int, seed: int) -> None:
    """Adds notes of new patients to the end of the file."""
    with (root / "notes.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(notes(count, seed))


def raw_tokenizers(root: Path) -> float:
    """Notes a second of `tokenizers` alone on the texts of the processed notes."""
    params = load_params(root / "params.yaml")
    tokenizer = load_tokenizer(find_base_model(params.model))
    tokenizer.enable_truncation(max_length=params.tokenize.max_tokens)
    count, seconds = 0, 0.0
    for split in SPLITS:
        for _, frame in shards.iter_shards(root / "data/processed" / split, ["text"]):
            if count < RAW_NOTES:
                texts = frame["text"].to_list()
                started = time.perf_counter()
                tokenizer.encode_batch_fast(texts)
                seconds += time.perf_counter() - started
                count += len(texts)
    return count / seconds


def total(costs: dict[str, Cost]) -> float:
    """Seconds of all stages."""
    return sum(cost.seconds for cost in costs.values())


def show(name: str, count: int, costs: dict[str, Cost]) -> None:
    print(f"\n{name}")
    for stage, cost in costs.items():
        speed = f"{count / cost.seconds:8,.0f} notes/s"
        print(f"  {stage:11} {cost.seconds:8.1f} s  {speed}  peak {cost.peak_gb:.2f} GB")
    print(f"  {'all':11} {total(costs):8.1f} s  {count / total(costs):8,.0f} notes/s", flush=True)


def judge(name: str, figure: float, *, at_most: float | None = None, at_least: float | None = None) -> bool:
    """Prints a figure and whether it is as asked."""
    reached = figure <= at_most if at_most is not None else figure >= (at_least or 0.0)
    asked = f"at most {at_most}" if at_most is not None else f"at least {at_least}"
    print(f"  {name}: {figure:.3f} (asked: {asked}) {'ok' if reached else 'NOT REACHED'}", flush=True)
    return reached


def measure(size: int, rounds: int, folder: Path) -> tuple[dict[str, Cost], bool]:
    """What each stage costs at a size, and whether all that is asked of one size is reached."""
    root = folder / f"grow-{size}"
    make_project(root, size, 2)
    full = run_all(root, STAGES[:-1])
    raw, tokenized = [raw_tokenizers(root)], []
    for _ in range(rounds if size <= ROUNDS_NOTES else 1):
        shutil.rmtree(root / ".cache/shards/tokenize", ignore_errors=True)
        tokenized.append(run_stage(root, "tokenize"))
        raw.append(raw_tokenizers(root))
    full["tokenize"] = sorted(tokenized)[len(tokenized) // 2]
    show(f"{size:,} notes, two workers", size, full)
    reached = [judge("peak memory, GB", max(cost.peak_gb for cost in full.values()), at_most=PEAK_GB)]
    of_raw = [size / cost.seconds / (sum(pair) / 2) for cost, pair in zip(tokenized, pairwise(raw), strict=True)]
    print(f"  tokenize, of tokenizers alone, each time: {', '.join(f'{ratio:.3f}' for ratio in of_raw)}")
    reached.append(judge("tokenize, of tokenizers alone", median(of_raw), at_least=TOKENIZE))
    appended = []
    for turn in range(rounds):
        append(root, size // 100, 2 + turn)
        more = run_all(root, STAGES)
        show(f"{size // 100:,} notes more", size // 100, more)
        appended.append(total(more))
    reached.append(judge("appending 1 %, of the full time", median(appended) / total(full), at_most=APPEND))
    shutil.rmtree(root)
    return full, all(reached)


def take_turns(size: int, rounds: int, folder: Path) -> bool:
    """Whether two workers are as much faster than one as is asked, by the medians of runs in turn."""
    runs: dict[int, list[dict[str, Cost]]] = {2: [], 1: []}
    for turn in range(rounds):
        for workers, costs in runs.items():
            root = folder / f"turn-{turn}-{workers}"
            make_project(root, size, workers)
            costs.append(run_all(root, STAGES))
            show(f"{size:,} notes, {'one worker' if workers == 1 else 'two workers'}", size, costs[-1])
            shutil.rmtree(root)
    one, two = (
        {
            "deidentify": median(costs["deidentify"].seconds for costs in runs[workers]),
            "all": median(total(costs) for costs in runs[workers]),
        }
        for workers in (1, 2)
    )
    gains = [judge(f"two workers, times one: {name}", one[name] / two[name], at_least=TWO_WORKERS) for name in one]
    return all(gains)


def main(arguments: list[str] | None = None) -> bool:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000", help="numbers of notes, smallest first")
    parser.add_argument("--quick", action="store_true", help="400 and 800 notes: too few to judge anything but the benchmark")
    parser.add_argument("--only-grow", action="store_true", help="no run with one worker")
    parser.add_argument("--rounds", type=int, default=3, help="of tokenize, of appending, and of two workers and one")
    options = parser.parse_args(arguments)
    sizes = [400, 800] if options.quick else [int(size) for size in options.sizes.split(",")]
    per_note: dict[int, float] = {}
    reached = False
    with tempfile.TemporaryDirectory(prefix="data-scale-") as folder:
        for size in sizes:
            costs, reached = measure(size, options.rounds, Path(folder))
            per_note[size] = total(costs) / size
        if not options.only_grow:
            reached &= take_turns(min(sizes[-1], ROUNDS_NOTES), options.rounds, Path(folder))
    if len(sizes) > 1:
        print(f"\n{sizes[0]:,} to {sizes[-1]:,} notes")
        growth = per_note[sizes[-1]] / per_note[sizes[0]]
        reached &= judge("time a note at the largest size, of that at the smallest", growth, at_most=LINEAR)
    return reached


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
