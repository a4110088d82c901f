"""`dxtune sweep` with the real Optuna and the real dvc: experiments, a stop and its resumption, a trial that is pruned."""

import csv
import signal
import subprocess
import time
from pathlib import Path

import optuna
import pytest

from tests.pipeline.conftest import Project, set_param

RATES = optuna.distributions.FloatDistribution(1e-3, 1e-2, log=True)
LONG = optuna.distributions.CategoricalDistribution([30])


@pytest.fixture(autouse=True)
def _as_committed(tokenized: Project) -> None:
    tokenized.run("git", "reset", "--quiet", "--hard")


def sweep(*more: str) -> list[str]:
    return ["dxtune", "sweep", "-S", "train.lr=log(1e-3,1e-2)", "-S", "train.patience=30", *more]


def study_of(project: Project, name: str) -> optuna.Study:
    """The study of a sweep that is yet to begin: trials in it count as earlier ones."""
    (project.root / ".cache/sweeps").mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{project.root}/.cache/sweeps/studies.db"
    head = project.run("git", "rev-parse", "HEAD").strip()
    return optuna.create_study(storage=storage, study_name=f"{name}@{head}", direction="maximize")


def rows(project: Project, name: str = "sweep") -> list[dict[str, str]]:
    return list(csv.DictReader((project.root / f"sweeps/{name}.csv").read_text().splitlines()))


def left_behind(project: Project) -> list[str]:
    """Folders of experiments and checkpoints: nothing of either stays."""
    places = (project.root / ".dvc/tmp/exps/standalone", project.root / ".cache/checkpoints")
    return [path.name for place in places if place.is_dir() for path in place.iterdir() if path.name != "run"]


def wait_for(words: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    while not log.is_file() or words not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, "it ended before it said so"
        time.sleep(0.05)


def test_a_trial_is_an_experiment_and_a_stopped_sweep_goes_on(tokenized: Project) -> None:
    command = sweep("-S", "train.epochs=12", "--trials", "1")
    log = tokenized.root / ".cache/sweeps/sweep-000.log"
    process = subprocess.Popen(command, cwd=tokenized.root, env=tokenized.environment())
    wait_for("train: epoch 2:", log, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    assert left_behind(tokenized) == ["sweep-000"], "the checkpoints of what was stopped, and no folder of dvc"

    output = tokenized.run(*command)
    assert "train: epoch 12:" in log.read_text() and "train: epoch 1:" not in log.read_text(), "gone on from a checkpoint"
    assert left_behind(tokenized) == [] and tokenized.run("git", "status", "--porcelain") == ""
    [best] = rows(tokenized)
    assert (best["experiment"], best["state"], best["epochs"]) == ("sweep-000", "finished", "12")
    assert "dvc exp apply sweep-000\n  dvc repro" in output and f"train.lr = {best['train.lr']}" in output
    assert "sweep-000" in tokenized.run("dvc", "exp", "list")
    again = tokenized.run(*command)
    assert again.startswith("best of 1 trials (1 finished): sweep-000") and output.endswith(again), "there are enough trials"

    tokenized.run("dvc", "exp", "apply", "sweep-000", code=255)  # of reports/, which no stage has made yet
    assert f"lr: {best['train.lr']}" in (tokenized.root / "params.yaml").read_text()
    assert (tokenized.root / "models/final/model.safetensors").is_file()
    unknown = tokenized.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/sweep-000").strip()
    tokenized.run("git", "update-ref", unknown.replace("sweep-000", "other-000"), unknown)
    assert tokenized.repro("--dry", "evaluate") == ["fingerprint", "evaluate"], "the test split is read now, and not before"
    tokenized.run("git", "reset", "--quiet", "--hard")
    said = tokenized.run(*sweep("--trials", "1", "--name", "other"), code=1)
    assert "there is an experiment other-000 of an earlier sweep" in said and "dvc exp remove other-000" in said


def test_a_trial_below_the_median_is_stopped_in_the_middle(tokenized: Project) -> None:
    """Five trials before it were far better after their first epoch: the sixth is not trained to its end."""
    study = study_of(tokenized, "p")
    space = {"train.lr": RATES, "train.patience": LONG, "train.epochs": LONG}
    for number in range(5):
        params = {"train.lr": 2e-3 + number * 1e-4, "train.patience": 30, "train.epochs": 30}
        made = optuna.create_trial(params=params, distributions=space, value=0.9 + number / 100, intermediate_values={1: 0.9})
        study.add_trial(made)
    output = tokenized.run(*sweep("-S", "train.epochs=30", "--trials", "6", "--name", "p"))
    assert "p-005: pruned after epoch 1: validation_macro_f1 0." in output
    log = (tokenized.root / ".cache/sweeps/p-005.log").read_text()
    assert "train: epoch 1:" in log and "train: epoch 30:" not in log
    assert [row["state"] for row in rows(tokenized, "p")] == ["finished"] * 5 + ["pruned"]
    assert [row["experiment"] for row in rows(tokenized, "p")] == [f"p-00{number}" for number in (4, 3, 2, 1, 0, 5)]
    assert output.splitlines()[-7].startswith("best of 6 trials (5 finished, 1 pruned): p-004, validation_macro_f1 0.9400")
    begun = tokenized.run(*sweep("-S", "train.epochs=[30,31]", "--name", "p"), code=1)
    assert "the sweep p of this commit was begun with another train.epochs" in begun
    assert "p-005" not in tokenized.run("dvc", "exp", "list") and left_behind(tokenized) == []


def test_three_failures_in_a_row_end_it_with_the_reason(tokenized: Project) -> None:
    study = study_of(tokenized, "f")
    for _ in range(2):
        study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL))
    search = "-S", "tokenize.max_truncated_share=range(0,0.01)"
    output = tokenized.run("dxtune", "sweep", *search, "--trials", "9", "--name", "f", code=1)
    assert "3 trials in a row failed, the last one with: DataError: " in output and "f-002.log" in output
    assert [row["state"] for row in rows(tokenized, "f")] == ["failed"] * 3
    assert "tokenize.max_truncated_share" in rows(tokenized, "f")[2]["reason"]
    assert left_behind(tokenized) == []


def test_data_that_is_not_as_committed_is_refused(tokenized: Project) -> None:
    set_param(tokenized.root, "preprocess", "min_characters", 21)
    tokenized.commit("another setting of preprocess")
    output = tokenized.run(*sweep(), code=1)
    assert "but preprocess would run first" in output and "dvc repro tokenize" in output
