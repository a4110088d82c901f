"""A project under git and dvc whose one stage writes what `evaluate` would have written, so that revisions take a second."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

STAGE = """
stages:
  evaluate:
    cmd: python make.py
    deps: [make.py]
    params: [train.lr, collect.notes, collect.seed]
    outs: [data/predictions.parquet, data/processed]
"""
# A note's label is seen through noise; train.lr is how well. Notes from 120 on, of patients of their own, are what
# collect.notes adds or takes away; collect.seed relabels one note. Site `small` has 4 patients.
MAKE = """
import json
import numpy as np, polars as pl
from pathlib import Path
from dxtune.evaluation.metrics import softmax
from dxtune.params import load_params
from dxtune.shards import write_corpus, write_json, write_parquet

params = load_params()
names, random = ["asthma", "copd", "pneumonia"], np.random.default_rng(0)
truth, noise = random.integers(3, size=150), random.normal(size=(150, 3))
if params.collect.seed != 13:
    truth[0] = (truth[0] + 1) % 3
notes = pl.DataFrame({
    "note_id": [f"n-{number:04}" for number in range(150)],
    "patient_id": [f"p-{number // 3:04}" for number in range(150)],
    "text": ["SECRET of a patient"] * 150,
    "label": [names[label] for label in truth],
    "label_id": truth,
    "sex": ["f" if number % 2 else "m" for number in range(150)],
    "site": ["small" if number < 12 else "<b>|north" for number in range(150)],
})[: params.collect.notes]
probabilities = softmax(noise + params.train.lr * 1e4 * np.eye(3)[truth])[: params.collect.notes]
write_corpus(notes, Path("data/processed/test"), rows_per_shard=50)
write_json(names, Path("data/processed/labels.json"))
made = notes.select("note_id", "patient_id", pl.lit("test").alias("split"), "label_id")
made = made.with_columns(pl.Series("probabilities", probabilities.tolist()))
write_parquet(made, Path("data/predictions.parquet"))
"""


@dataclass(frozen=True)
class Project:
    """A folder with the project in it."""

    root: Path

    def run(self, *command: str, code: int = 0) -> str:
        """Runs a command there; what it prints. Fails the test where the exit code is another one than `code`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "PYTEST_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = str(ROOT / "src")
        environment["HOME"] = str(self.root.parent)
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        return done.stdout + done.stderr

    def set(self, old: str, new: str) -> None:
        """Changes params.yaml, as a person would."""
        path = self.root / "params.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Tag `unrun`: nothing ran. main: lr 1e-4. Tag `better`: 3e-4. Experiment `worse`: 1e-5 on main.

    Tag `other-notes`: 30 notes more and one with another label. The workspace is main.
    """
    made = Project(tmp_path_factory.mktemp("compare") / "project")
    made.root.mkdir()
    shutil.copy(ROOT / "params.yaml", made.root)
    shutil.copytree(ROOT / ".dvc", made.root / ".dvc", ignore=lambda folder, names: {*names} - {"config", ".gitignore"})
    (made.root / "make.py").write_text(MAKE, encoding="utf-8")
    (made.root / "dvc.yaml").write_text(STAGE, encoding="utf-8")
    (made.root / ".gitignore").write_text("/data\n/remote\n", encoding="utf-8")
    made.set("lr: 2e-4", "lr: 1e-4")
    made.set("notes: 1500", "notes: 120")
    made.set("subgroup_columns: [sex, age_band, ethnicity, site]", "subgroup_columns: [sex, site]")
    made.set("bootstrap_resamples: 1000", "bootstrap_resamples: 200")
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.run("git", "config", "user.name", "Test")
    made.run("git", "config", "user.email", "test@example.org")
    made.commit("settings")
    made.run("git", "tag", "unrun")
    made.run("dvc", "repro", "--quiet")
    made.commit("first run")
    made.run("git", "checkout", "--quiet", "-b", "work")
    for tag, changes in {
        "better": [("lr: 1e-4", "lr: 3e-4")],
        "other-notes": [("notes: 120", "notes: 150"), ("seed: 13", "seed: 14")],
    }.items():
        for change in changes:
            made.set(*change)
        made.run("dvc", "repro", "--quiet")
        made.commit(tag)
        made.run("git", "tag", tag)
    made.run("git", "checkout", "--quiet", "main")
    made.run("dvc", "exp", "run", "--quiet", "--name", "worse", "-S", "train.lr=1e-5")
    made.run("git", "checkout", "--quiet", "--force", "main")
    made.run("dvc", "checkout", "--quiet", "--force")
    return made
