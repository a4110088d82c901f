"""The benchmark of the data stages, on a few notes: that it runs and judges. How fast anything is, no test says."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import data_scale


def test_it_runs_every_stage_and_judges_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    data_scale.main(["--sizes", "400", "--rounds", "1"])
    printed = capsys.readouterr().out
    for runs in ("400 notes, two workers", "4 notes more", "400 notes, one worker"):
        part = printed.partition(runs)[2].split("\n\n")[0]
        assert [line.split()[0] for line in part.splitlines()[1:5]] == list(data_scale.STAGES), runs
    assert printed.count("asked:") == 5, "memory, tokenize, appending, two workers of deidentify and of all"


def test_notes_are_of_the_size_that_is_said_and_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_scale, "COPIES", 1)
    lines = list(data_scale.notes(40, seed=1))
    assert lines == list(data_scale.notes(40, seed=1))
    rows = [json.loads(line) for line in lines]
    assert 2200 < sum(len(row["text"]) for row in rows) / len(rows) < 2800
    assert not {row["patient"] for row in rows} & {json.loads(line)["patient"] for line in data_scale.notes(40, seed=2)}


def test_a_patient_has_some_notes_and_they_are_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_scale, "COPIES", 1)
    monkeypatch.setattr(data_scale, "WARD", 20)
    patients = [json.loads(line)["patient"] for line in data_scale.notes(40, seed=1)]
    assert len(set(patients)) == 10 and patients.count(patients[0]) == 4
    assert patients.index(patients[0], 1) == 5


def test_memory_is_that_of_a_process_and_all_below_it() -> None:
    hold = "import subprocess, sys; held = bytes(range(256)) * 200_000; "
    child = f"{hold} print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{hold} subprocess.run([sys.executable, '-c', {child!r}])"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout and parent.stdin and parent.stdout.readline()
        numbers = data_scale.tree(parent.pid)
        held = sum(map(data_scale.memory_kb, numbers))
        parent.stdin.close()
    assert len(numbers) == 2 and held * 1024 > 2 * 256 * 200_000
    assert data_scale.memory_kb(parent.pid) == 0 and os.getpid() in data_scale.tree(os.getpid())


def test_a_figure_is_judged_by_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert data_scale.judge("a", 0.04, at_most=0.04) and data_scale.judge("b", 1.7, at_least=1.7)
    assert not data_scale.judge("c", 0.041, at_most=0.04) and not data_scale.judge("d", 1.69, at_least=1.7)
    assert capsys.readouterr().out.count("NOT REACHED") == 2
