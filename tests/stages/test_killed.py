"""SIGKILL at random moments of the data stages: what is run again ends with the bytes of a run that was never killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from dxtune import records, shards
from tests.conftest import ROOT
from tests.pipeline.conftest import set_param

KILLS = 3
ROWS = 2 * shards.ROWS_PER_SHARD + 500
SETTINGS = {
    "data": {"workers": 2},
    "collect": {"source": "table", "path": "notes.jsonl", "subgroup_columns": "[]", "patient_column": "patient"},
    "deidentify": {"key": "public"},
    "model": {"name": "tiny", "sha256": "null"},
    "tokenize": {"max_tokens": 64},
}
FORMS = ("Mr. John {} (MRN {}) came on 3/4/2019 with fever.", "{} is better, {} mg given.", "No change in {} since {} weeks.")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A project whose data stages ran without a break."""
    root = tmp_path_factory.mktemp("unbroken")
    shutil.copy(ROOT / "params.yaml", root)
    for section, changes in SETTINGS.items():
        for name, value in changes.items():
            set_param(root, section, name, value)
    shutil.copytree(tiny_model, root / "tiny")
    rng = random.Random(1)
    names = ("Winter", "Young", "Frost", "Brightwater", "Hope")
    with (root / "notes.jsonl").open("w", encoding="utf-8") as file:
        for row in range(ROWS):
            text = rng.choice(FORMS).format(rng.choice(names), rng.randrange(10_000, 99_999))
            note = {"text": text, "label": ("flu", "cold")[row % 2], "patient": f"p{rng.randrange(3000)}"}
            file.write(json.dumps(note) + "\n")
    for stage in ("collect", "deidentify", "tokenize"):
        prepare(root, stage)
        start(root, stage).wait()
    return root


def prepare(root: Path, stage: str) -> None:
    """What stands between deidentify and tokenize, at its shortest."""
    if stage == "tokenize":
        notes = shards.read_corpus(root / "data/deidentified").with_columns(label_id=pl.lit(0, pl.Int64))
        parts = {"train": notes.head(-200), "validation": notes[-200:-100], "test": notes.tail(100)}
        for split, part in parts.items():
            shards.write_corpus(part.select(*records.PROCESSED), root / "data/processed" / split)
        shards.write_json(["cold", "flu"], root / "data/processed/labels.json")
        shards.write_json({"boilerplate": [], "drop_sections": []}, root / "data/processed/cleaning.json")


def start(root: Path, stage: str) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "DXTUNE_DEID_KEY")}
    command = [str(Path(sys.executable).parent / "dxtune"), stage]
    return subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE)


def bytes_of(root: Path) -> dict[str, bytes]:
    files = [path for folder in ("data", "metrics") for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_killed_run_ends_with_the_same_bytes(unbroken: Path, tmp_path: Path) -> None:
    expected = bytes_of(unbroken)
    assert len(expected) > 30
    for name in ("params.yaml", "notes.jsonl"):
        shutil.copy(unbroken / name, tmp_path)
    shutil.copytree(unbroken / "tiny", tmp_path / "tiny")
    rng = random.Random()
    killed = 0
    for stage in ("collect", "deidentify", "tokenize"):
        prepare(tmp_path, stage)
        for _ in range(KILLS):
            process = start(tmp_path, stage)
            time.sleep(rng.uniform(0.2, 2.0))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        last = start(tmp_path, stage)
        assert last.wait() == 0, last.stderr and last.stderr.read().decode()
    assert killed, "some were killed at work"
    assert bytes_of(tmp_path) == expected
