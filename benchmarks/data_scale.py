"""The data stages at several sizes: time and memory of each, what appending costs, what a second worker gives.

    python benchmarks/data_scale.py                              # 10,000 and 100,000 notes, ten minutes or so
    python benchmarks/data_scale.py --sizes 1000000 --only-grow  # an hour

Notes are synthetic: about 2,400 characters of filled templates of dxtune.deid_training, four a patient, written to a jsonl
file. collect, deidentify, preprocess and tokenize run as `dxtune STAGE`, one after another, as dvc runs them, in a scratch
project. Memory is that of all processes of a stage together: the peak of the sum of their proportional set sizes (PSS), ten
times a second. Appending adds 1 % of new patients. The speed of tokenize is compared with `tokenizers` itself, one
encode_batch after another over the same texts in this process, without the stage's start-up.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from dxtune import shards
from dxtune.deid_training.fill import FAMILIES, corpus
from dxtune.params import SPLITS, load_params
from dxtune.training.base_model import find_base_model, load_tokenizer

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("collect", "deidentify", "preprocess", "tokenize")
CHARACTERS, NOTES_PER_PATIENT, LABELS = 2400, 4, 10
SETTINGS = {
    "collect": {"source": "table", "path": "notes.jsonl", "patient_column": "patient", "subgroup_columns": []},
    "deidentify": {"key": "public"},
    "preprocess": {"split": "stable"},
    "tokenize": {"max_truncated_share": 1.0},
}
GOALS = {"peak": 2.0, "append": 0.04, "two workers": 1.7, "tokenize": 0.8, "linear": 1.3}


class Cost(NamedTuple):
    """What a stage took: seconds, and the peak of its memory in GB."""

    seconds: float
    peak_gb: float


def notes(count: int, seed: int) -> Iterator[str]:
    """Lines of jsonl: notes of made-up patients, each put together from blocks drawn at random."""
    blocks = [filled.text for filled in corpus(FAMILIES, 2, seed)]
    rng = random.Random(seed)
    for number in range(count):
        text: list[str] = []
        while sum(map(len, text)) < CHARACTERS:
            text.append(rng.choice(blocks))
        row = {
            "text": "\n\n".join(text)[: CHARACTERS + 400],
            "label": f"diagnosis {rng.randrange(LABELS)}",
            "patient": f"{seed}-{number // NOTES_PER_PATIENT}",
        }
        yield json.dumps(row) + "\n"


def make_project(root: Path, count: int, workers: int) -> None:
    """A folder with params.yaml and the notes."""
    root.mkdir(parents=True)
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, changes in SETTINGS.items():
        params[section].update(changes)
    params["data"]["workers"] = workers
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    with (root / "notes.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(notes(count, 1))


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


def run_all(root: Path) -> dict[str, Cost]:
    """What each data stage costs."""
    return {stage: run_stage(root, stage) for stage in STAGES}


def append(root: Path, count: int) -> None:
    """Adds notes of new patients to the end of the file."""
    with (root / "notes.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(notes(count, 2))


def raw_tokenizers(root: Path) -> float:
    """Notes a second of `tokenizers` alone on the texts of the processed notes."""
    params = load_params(root / "params.yaml")
    tokenizer = load_tokenizer(find_base_model(params.model))
    tokenizer.enable_truncation(max_length=params.tokenize.max_tokens)
    count, seconds = 0, 0.0
    for split in SPLITS:
        for _, frame in shards.iter_shards(root / "data/processed" / split, ["text"]):
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
        print(f"  {stage:11} {cost.seconds:8.1f} s  {speed}  peak {cost.peak_gb:.2f} GB", flush=True)
    print(f"  {'all':11} {total(costs):8.1f} s  {count / total(costs):8,.0f} notes/s")


def judge(name: str, figure: float, goal: float, at_most: bool) -> bool:
    """Prints whether a goal is reached."""
    reached = figure <= goal if at_most else figure >= goal
    print(f"{name}: {figure:.3f} (asked: {'at most' if at_most else 'at least'} {goal}) {'ok' if reached else 'NOT REACHED'}")
    return reached


def main(arguments: list[str] | None = None) -> bool:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000", help="numbers of notes, smallest first")
    parser.add_argument("--only-grow", action="store_true", help="no run with one worker")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder that is removed")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    folder = options.folder or Path(tempfile.mkdtemp(prefix="data-scale-"))
    per_note: dict[int, float] = {}
    reached = []
    try:
        for size in sizes:
            root = folder / f"two-{size}"
            make_project(root, size, 2)
            full = run_all(root)
            show(f"{size:,} notes, two workers", size, full)
            per_note[size] = total(full) / size
            reached.append(judge("peak memory, GB", max(cost.peak_gb for cost in full.values()), GOALS["peak"], True))
            raw = raw_tokenizers(root)
            reached.append(
                judge("tokenize, of raw tokenizers", size / full["tokenize"].seconds / raw, GOALS["tokenize"], False)
            )
            append(root, size // 100)
            more = run_all(root)
            show(f"{size // 100:,} notes more", size // 100, more)
            reached.append(judge("appending 1 %, of the full time", total(more) / total(full), GOALS["append"], True))
            if not options.only_grow:
                one = folder / f"one-{size}"
                make_project(one, size, 1)
                alone = run_all(one)
                show(f"{size:,} notes, one worker", size, alone)
                gain = total(alone) / total(full)
                reached.append(judge("two workers, times one", gain, GOALS["two workers"], False))
                shutil.rmtree(one)
            shutil.rmtree(root)
        if len(sizes) > 1:
            print()
            growth = per_note[sizes[-1]] / per_note[sizes[0]]
            name = f"time a note at {sizes[-1]:,}, of that at {sizes[0]:,}"
            reached.append(judge(name, growth, GOALS["linear"], True))
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return all(reached)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
