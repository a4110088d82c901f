"""SIGKILL at random moments of the data stages: what is run again ends with the bytes of a run that was never killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dxtune import shards
from tests.conftest import ROOT
from tests.pipeline.conftest import set_param

STAGES = ("collect", "deidentify", "preprocess", "tokenize")
KILLS = 5  # of each stage, at random moments
ROWS = 2 * shards.ROWS_PER_SHARD + 500
SETTINGS = {
    "data": {"workers": 2},
    "collect": {"source": "table", "path": "notes.jsonl", "subgroup_columns": "[]", "patient_column": "patient"},
    "deidentify": {"key": "public"},
    "preprocess": {"split": "stable"},
    "model": {"name": "tiny", "sha256": "null"},
    "tokenize": {"max_tokens": 64, "max_truncated_share": 1.0},
}
FORMS = ("Mr. John {} (MRN {}) came on 3/4/2019 with {}.", "{} is better, {} mg given for {}.", "No change in {} since {}: {}.")
NAMES = ("Winter", "Young", "Frost", "Brightwater", "Hope")
FINDINGS = ("fever", "cough", "pain", "rash", "nausea", "edema", "fatigue", "chills", "dyspnea", "headache", "thirst", "tremor")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[Path, dict[str, float]]:
    """A project whose data stages ran without a break, and how long each took."""
    root = tmp_path_factory.mktemp("unbroken")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    for section, changes in SETTINGS.items():
        for name, value in changes.items():
            set_param(root, section, name, value)
    shutil.copytree(tiny_model, root / "tiny")
    rng = random.Random(1)
    with (root / "notes.jsonl").open("w", encoding="utf-8") as file:
        for row in range(ROWS):
            findings = " and ".join(rng.choices(FINDINGS, k=6))
            text = rng.choice(FORMS).format(rng.choice(NAMES), rng.randrange(10_000, 99_999), findings)
            note = {"text": text, "label": ("flu", "cold")[row % 2], "patient": f"p{rng.randrange(3000)}"}
            file.write(json.dumps(note) + "\n")
    finish(root, "fingerprint")
    return root, {stage: finish(root, stage) for stage in STAGES}


def start(root: Path, stage: str, errors: int) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "DXTUNE_DEID_KEY")}
    command = [str(Path(sys.executable).parent / "dxtune"), stage]
    return subprocess.Popen(command, cwd=root, env=environment, stderr=errors)


def finish(root: Path, stage: str) -> float:
    """Seconds that the stage took to its end."""
    began, process = time.monotonic(), start(root, stage, subprocess.PIPE)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - began


def kill(root: Path, stage: str, when: Callable[[], bool]) -> bool:
    """Whether the stage was still at work when it was killed."""
    process = start(root, stage, subprocess.DEVNULL)
    while process.poll() is None and not when():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def after(seconds: float) -> Callable[[], bool]:
    """Whether so much time has passed since this was called."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def begin_again(root: Path, stage: str) -> None:
    """A stage that came to its end before it was killed has nothing left to do: without what it made, it has."""
    made = {"collect": "raw", "deidentify": "deidentified", "preprocess": "processed", "tokenize": "tokens"}
    shutil.rmtree(root / "data" / made[stage], ignore_errors=True)
    shutil.rmtree(root / ".cache/shards" / stage, ignore_errors=True)


def bytes_of(root: Path) -> dict[str, bytes]:
    files = [path for folder in ("data", "metrics") for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_killed_run_ends_with_the_same_bytes(unbroken: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    whole, seconds = unbroken
    expected = bytes_of(whole)
    assert len(expected) > 30
    for name in ("params.yaml", "dvc.yaml", "notes.jsonl"):
        shutil.copy(whole / name, tmp_path)
    for name in ("tiny", "locks"):
        shutil.copytree(whole / name, tmp_path / name)
    rng = random.Random()
    moments: list[tuple[str, float]] = []
    finished = tmp_path / ".cache/shards/deidentify"
    for stage in STAGES:
        if stage == "deidentify":  # whatever the moments are: once with a shard finished
            while not kill(tmp_path, stage, lambda: any(finished.glob("[!.]*"))):
                begin_again(tmp_path, stage)
            resumed = len(list(finished.glob("[!.]*")))
        for _ in range(KILLS):
            while not kill(tmp_path, stage, after(moment := rng.uniform(0, seconds[stage]))):
                begin_again(tmp_path, stage)
            moments.append((stage, moment))
        finish(tmp_path, stage)
    assert len(moments) == KILLS * len(STAGES)
    assert resumed, f"some were killed with shards finished: {moments}"
    found = bytes_of(tmp_path)
    assert found.keys() == expected.keys(), moments
    assert [name for name in expected if found[name] != expected[name]] == [], moments
