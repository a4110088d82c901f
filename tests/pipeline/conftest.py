"""A scratch copy of the project under git and dvc, with a tiny model, so that the real `dvc repro` takes seconds."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, build_tiny_model

SMALL = {
    "collect": {"notes": 240},
    "deidentify": {"min_full_recall": 0.5},
    "preprocess": {"min_notes_per_label": 2},
    "model": {"name": "source/tiny", "sha256": "null"},
    "tokenize": {"max_tokens": 512, "max_truncated_share": 1.0},
    "train": {"epochs": 2, "lr": 0.001, "precision": "fp32"},
    "evaluate": {"bootstrap_resamples": 100},
}


@dataclass(frozen=True)
class Project:
    """A folder with the project in it."""

    root: Path

    def run(self, *command: str, code: int = 0) -> str:
        """Runs a command there; its whole output. Fails the test where the exit code is another one than `code`."""
        done = subprocess.run(command, cwd=self.root, env=self.environment(), capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert done.returncode == code, f"{command} ended with {done.returncode}, expected {code}:\n{output[-4000:]}"
        return output

    def environment(self) -> dict[str, str]:
        """What a shell in a project of its own would have, and nothing of this test run."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "PYTEST_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.root / "src"), "HOME": str(self.root.parent), "HF_HUB_OFFLINE": "1"}
        return environment | own

    def repro(self, *options: str) -> list[str]:
        """Runs `dvc repro`; the names of the stages that ran, in order."""
        return stages_run(self.run("dvc", "repro", *options))

    def bytes_of(self, *names: str) -> dict[str, bytes]:
        """The contents of all files below some folders or files."""
        paths = [path for name in names for path in [self.root / name, *sorted((self.root / name).rglob("*"))]]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths if path.is_file()}

    def commit(self, message: str) -> None:
        """Commits everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)


def stages_run(output: str) -> list[str]:
    """Names of the stages that dvc says it is running."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]


def set_param(root: Path, section: str, key: str, value: object) -> None:
    """Changes one line of params.yaml, as a person would."""
    lines = (root / "params.yaml").read_text(encoding="utf-8").splitlines()
    start = lines.index(f"{section}:")
    row = next(i for i in range(start, len(lines)) if lines[i].startswith(f"  {key}:"))
    lines[row] = f"  {key}: {value}"
    (root / "params.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def start(folder: Path) -> Project:
    """The project in a new folder, under git, with the tiny model in source/, and nothing run yet."""
    made = Project(folder)
    made.root.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith(("metrics/", "benchmarks/")):
            (made.root / name).parent.mkdir(parents=True, exist_ok=True)
            (made.root / name).write_bytes((ROOT / name).read_bytes())
    build_tiny_model(made.root / "source/tiny")
    for section, changes in SMALL.items():
        for key, value in changes.items():
            set_param(made.root, section, key, value)
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.run("git", "config", "user.name", "Test")
    made.run("git", "config", "user.email", "test@example.org")
    made.commit("start")
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after its first `dvc repro`, everything committed on main."""
    made = start(tmp_path_factory.mktemp("clone") / "project")
    made.repro()
    made.commit("first run")
    return made


@pytest.fixture(scope="module")
def tokenized(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with data/tokens of short notes made and committed, and no model trained yet."""
    made = start(tmp_path_factory.mktemp("clone") / "project")
    set_param(made.root, "collect", "notes", 120)
    set_param(made.root, "tokenize", "max_tokens", 64)
    set_param(made.root, "train", "threads", 1)
    made.repro("tokenize")
    made.commit("data")
    return made
