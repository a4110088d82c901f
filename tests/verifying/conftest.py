"""A project under git and dvc whose stages write little but what `dxtune verify` looks at, so that a run takes a second."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

STAGES = """
stages:
  collect:
    cmd: python make.py collect
    deps: [source/notes.csv, make.py]
    params: [collect.seed]
    outs:
      - data/raw:
          cache: false
          persist: true
  deidentify:
    cmd: python make.py deidentify
    deps: [data/raw, make.py]
    outs: [data/deidentified]
  train:
    cmd: python make.py train
    deps: [data/deidentified, make.py]
    params:
      - locks/fingerprint.json: [code.train, packages.train]
      - train.lr
    outs: [models/final]
    metrics:
      - metrics/train.json:
          cache: false
    plots:
      - metrics/plots/loss.csv:
          cache: false
  evaluate:
    cmd: python make.py evaluate
    deps: [models/final, make.py]
    params: [evaluate.bootstrap_resamples]
    metrics:
      - metrics/evaluate.json:
          cache: false
  probe:
    cmd: python make.py probe
    deps: [models/final, make.py]
    params: [collect.notes]
    metrics:
      - metrics/probe.json:
          cache: false
"""
MAKE = """
import json, os, sys
from pathlib import Path

def settings(section, key):
    lines = Path("params.yaml").read_text().partition(f"\\n{section}:")[2].splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"  {key}:"))

def write(name, content):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))

stage = sys.argv[1]
if stage == "collect":
    write("data/raw/notes.txt", Path("source/notes.csv").read_text() + settings("collect", "seed"))
if stage == "deidentify":
    write("data/deidentified/notes.txt", str(len(Path("data/raw/notes.txt").read_text())))
if stage == "train":
    notes, chance = Path("data/deidentified/notes.txt").read_text(), os.environ.get("CHANCE", "")
    write("models/final/weights", "weights " + settings("train", "lr") + notes + chance)
    write("metrics/train.json", {"steps": 1})
    write("metrics/plots/loss.csv", "step,loss\\n1,0.5\\n")
if stage == "probe":
    write("metrics/probe.json", {"patients": int(settings("collect", "notes"))})
if stage == "evaluate":
    bins = int(settings("evaluate", "bootstrap_resamples"))
    gate = {"limit": 0.8, "found": 0.7, "passed": 0, "reason": "macro_f1_low is 0.700, wanted is at least 0.8"}
    release = {"released": 0, "gates": {"macro_f1_low": gate}}
    write("metrics/evaluate.json", {"test": {"macro_f1": 0.75, "bins": bins}, "release": release})
"""


@dataclass(frozen=True)
class Project:
    """A folder with the project in it."""

    root: Path

    def run(self, *command: str, code: int = 0, **variables: str) -> str:
        """Runs a command there; what it prints. Fails the test where the exit code is another one than `code`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "PYTEST_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = str(ROOT / "src")
        environment["HOME"] = str(self.root.parent)
        done = subprocess.run(command, cwd=self.root, env=environment | variables, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        return done.stdout + done.stderr

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        """Changes one place of a file, as a person would."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, old
        self.write(name, text.replace(old, new, 1))

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)


def start(root: Path) -> Project:
    """The project in a new folder, run and committed."""
    made = Project(root)
    made.root.mkdir(parents=True)
    for name in ("params.yaml", "requirements.lock", ".gitattributes"):
        shutil.copy(ROOT / name, made.root)
    shutil.copytree(ROOT / ".dvc", made.root / ".dvc", ignore=lambda folder, names: {*names} - {"config", ".gitignore"})
    made.write("make.py", MAKE)
    made.write("dvc.yaml", STAGES)
    made.write(".gitignore", "/data\n/models\n/source\n/.cache\n")
    made.write("source/notes.csv", "text,label\nCough since Monday,asthma\n")
    made.change("params.yaml", "source: synthetic ", "source: table")
    made.change("params.yaml", "path: src/dxtune/sources/synthetic.yaml", "path: source/notes.csv")
    made.run("dxtune", "fingerprint")
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.run("git", "config", "user.name", "Test")
    made.run("git", "config", "user.email", "test@example.org")
    made.commit("settings")
    made.run("dvc", "repro", "--quiet")
    made.commit("first run")
    return made


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as committed on main, for all tests: none changes it."""
    return start(tmp_path_factory.mktemp("verify") / "project")


@pytest.fixture
def project(tmp_path: Path, committed: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it, with which a test may do what it likes, and which is the folder that it is in."""
    made = Project(Path(shutil.copytree(committed.root, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(made.root)
    return made
