"""`dvc exp run --queue` and `dvc queue start -j 2`, as docs/sweeps.md tells it: data and model in the git-ignored source/."""

import json
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project, set_param, start

NOTES = 90
FINDINGS = {"lung": ("cough", "wheezing"), "gut": ("nausea", "vomiting"), "skin": ("rash", "itching")}
MARK = "the code as it was when queued"


def write_notes(path: Path) -> None:
    lines = ["text,label"]
    for number in range(NOTES):
        label = sorted(FINDINGS)[number % 3]
        finding = FINDINGS[label][number // 3 % 2]
        lines.append(f"There was {finding} since {number + 2} days; vital signs were stable at visit {number * 7}.,{label}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def own_notes(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with a table of notes in source/, everything up to data/tokens made."""
    made = start(tmp_path_factory.mktemp("clone") / "project")
    write_notes(made.root / "source/notes.csv")
    own = {"source": "table", "path": "source/notes.csv", "subgroup_columns": "[]"}
    for key, value in own.items():
        set_param(made.root, "collect", key, value)
    set_param(made.root, "deidentify", "key", "public")
    set_param(made.root, "preprocess", "max_leaked_share", 1.0)
    made.repro("tokenize")
    made.commit("data")
    return made


def test_two_queued_experiments_at_once(own_notes: Project) -> None:
    stage = own_notes.root / "src/dxtune/stages/train.py"
    code = stage.read_text()
    stage.write_text(code.replace("    task = find_task", f"    print({MARK!r})\n    task = find_task"))
    own_notes.run("dvc", "exp", "run", "--queue", "-S", "train.lr=1e-3,3e-3")
    stage.write_text(code)
    assert own_notes.run("git", "status", "--porcelain") == ""

    own_notes.run("dvc", "queue", "start", "-j", "2")
    while "Running" in (status := own_notes.run("dvc", "queue", "status")) or "Queued" in status:
        time.sleep(1)
    names = [line.split()[1] for line in status.splitlines() if "Success" in line]
    failed = [own_notes.run("dvc", "queue", "logs", line.split()[0]) for line in status.splitlines() if "Failed" in line]
    assert len(names) == 2 and not failed, status + "".join(failed)
    head = own_notes.run("git", "rev-parse", "HEAD").strip()
    rates = set()
    for name in names:
        assert MARK in own_notes.run("dvc", "queue", "logs", name)
        ref = f"refs/exps/{head[:2]}/{head[2:]}/{name}"
        rates.add(json.loads(own_notes.run("git", "show", f"{ref}:metrics/train.json"))["lr"])
        assert "macro_f1" in own_notes.run("git", "show", f"{ref}:metrics/evaluate.json")
        assert "source" not in own_notes.run("git", "ls-tree", "--name-only", ref).split()
    assert rates == {1e-3, 3e-3}
    assert len((own_notes.root / "source/notes.csv").read_text().splitlines()) == NOTES + 1, "only the link to it went"
    assert not list((own_notes.root / ".dvc/tmp/exps").glob("tmp*")) and own_notes.run("git", "status", "--porcelain") == ""
