"""stages/train.py: what it writes, by every method, in one process and in two."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from dxtune import records, shards
from dxtune.errors import ParamsError
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.stages import train
from dxtune.training.base_model import weights_sha256
from tests.conftest import ROOT
from tests.pipeline.conftest import set_param
from tests.training.test_trainer import tokens

MODEL = {"name": "tiny", "sha256": None, "lora_rank": 4, "last_layers": 1}
CLEANING = {"boilerplate": ["Not signed by hand."], "drop_sections": ["assessment"]}
TRAIN = {"epochs": 2, "batch_size": 7, "lr": 2e-3, "precision": "fp32", "threads": 1}


@pytest.fixture
def project(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a base model and tokens, as `dxtune tokenize` leaves them; the work is done in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "tiny")
    for split, rows, seed in (("train", 120, 0), ("validation", 40, 1)):
        shards.write_corpus(tokens(rows, seed).select(*records.tokens("classification")), Path("data/tokens") / split)
    shards.write_json(["a", "b", "c"], Path("data/tokens/labels.json"))
    shards.write_json(CLEANING, Path("data/tokens/cleaning.json"))
    Path("data/tokens/tokenizer").mkdir()
    shutil.copy("tiny/tokenizer.json", "data/tokens/tokenizer")
    return tmp_path


def ready(project: Path, settings: dict[str, Any]) -> list[str]:
    """The command `dxtune train`, once the folder has what it needs: settings, dvc.yaml and the fingerprint of both."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, name)
    for section, changes in {"model": MODEL, "train": settings}.items():
        for key, value in changes.items():
            set_param(project, section, key, "null" if value is None else value)
    dxtune = str(Path(sys.executable).parent / "dxtune")
    subprocess.run([dxtune, "fingerprint"], check=True)
    return [dxtune, "train"]


def curve(name: str) -> pl.DataFrame:
    return pl.read_csv(f"metrics/plots/{name}.csv")


@pytest.mark.parametrize("method", ["full", "lora", "head", "last_n_layers"])
def test_every_method_leaves_a_model_like_any_other(project: Path, params_with: Callable[..., Params], method: str) -> None:
    params = params_with(model=MODEL | {"method": method}, train=TRAIN)
    train.run(params, Paths())
    metrics = json.loads(Path("metrics/train.json").read_text())
    left_out = metrics["parameters"] - metrics["trained_parameters"]
    assert left_out == (2000 - 36) * 32 if method == "full" else left_out > 0, "embeddings of tokens that no note has"
    saved, base = load_file("models/final/model.safetensors"), load_file("tiny/model.safetensors")
    assert {name for name in saved if name.startswith("encoder.")} == {f"encoder.{name}" for name in base}
    layers = {name.split(".")[2] for name, value in base.items() if not (saved[f"encoder.{name}"] == value).all()}
    learned = {"full": {"0", "1", "weight"}, "lora": {"0", "1"}, "head": set(), "last_n_layers": {"1"}}
    assert layers - {"bias"} == learned[method] or method == "full"
    assert len(Predictor(Path("models/final"), precision="fp32").predict(["Chest pain since yesterday."])) == 1
    assert not list(Path(".cache").rglob("checkpoint-*")), "a finished run keeps no checkpoint"


@pytest.mark.parametrize("threads", [1, 2])
def test_two_forced_runs_give_the_same_bytes_and_say_with_how_many_threads(
    project: Path, params_with: Callable[..., Params], threads: int
) -> None:
    params = params_with(model=MODEL, train=TRAIN | {"threads": threads, "hidden_dropout": 0.1})
    made = []
    for _ in range(2):
        train.run(params, Paths())
        files = sorted(path for path in (*Path("models").rglob("*"), *Path("metrics").rglob("*")) if path.is_file())
        made.append({str(path): path.read_bytes() for path in files})
    assert made[0] == made[1]
    assert json.loads(made[0]["metrics/train.json"])["threads"] == threads


def test_where_a_model_came_from_is_saved_with_it(project: Path, params_with: Callable[..., Params]) -> None:
    params = params_with(model=MODEL, train=TRAIN | {"epochs": 1})
    train.run(params, Paths())
    first = json.loads(Path("models/final/dxtune.json").read_text())
    assert first["base_model_sha256"] == weights_sha256(Path("tiny"))
    assert (first["base_model"], first["base_model_revision"], first["params"]["task"]) == ("tiny", None, "classification")
    assert first["cleaning"] == CLEANING
    assert first["params"]["train"]["threads"] == 1 and first["params"]["train"]["lr"] == 2e-3
    shards.write_corpus(tokens(121, 0).select(*records.tokens("classification")), Path("data/tokens/train"))
    train.run(params, Paths())
    again = json.loads(Path("models/final/dxtune.json").read_text())
    assert again["data_sha256"] != first["data_sha256"]
    assert again["labels_sha256"] == first["labels_sha256"]


def test_domain_adaptation_comes_first_and_reads_training_notes_alone(
    project: Path, params_with: Callable[..., Params]
) -> None:
    train.run(params_with(model=MODEL, train=TRAIN), Paths())
    without, plain = curve("loss"), json.loads(Path("metrics/train.json").read_text())
    assert Path("metrics/plots/domain_adaptation.csv").read_text() == "step,loss\n"
    params = params_with(model=MODEL | {"method": "lora"}, train=TRAIN | {"domain_adaptation_epochs": 2})
    made = []
    for seed in (1, 2):  # other validation notes
        shards.write_corpus(tokens(40, seed).select(*records.tokens("classification")), Path("data/tokens/validation"))
        train.run(params, Paths())
        made.append(curve("domain_adaptation"))
    assert not Path("data/tokens/test").exists()
    assert made[0].height == 36 and made[0].equals(made[1])
    metrics = json.loads(Path("metrics/train.json").read_text())
    assert metrics["domain_adaptation_loss"] == made[0]["loss"][-1] < made[0]["loss"][0]
    assert "domain_adaptation_loss" not in plain
    assert not without.equals(curve("loss"))


@pytest.mark.parametrize("accelerate", [None, "recipes/accelerate/cpu_gloo.yaml"], ids=["torchrun", "accelerate"])
def test_two_processes_learn_what_one_does(project: Path, params_with: Callable[..., Params], accelerate: str | None) -> None:
    settings = TRAIN | {"domain_adaptation_epochs": 1}
    train.run(params_with(model=MODEL, train=settings), Paths())
    read, losses, scores = curve("domain_adaptation"), curve("loss"), curve("validation")
    one = load_file("models/final/model.safetensors")
    shutil.copytree(ROOT / "recipes", "recipes")
    command = ready(project, settings | {"processes": 2, "accelerate": accelerate})
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses.height == 36, "a point a step: the batches came in the same order"
    np.testing.assert_allclose(curve("domain_adaptation")["loss"], read["loss"], rtol=1e-4)
    np.testing.assert_allclose(curve("loss")["loss"], losses["loss"], rtol=1e-4, atol=1e-5)
    assert curve("validation").select("macro_f1", "accuracy").equals(scores.select("macro_f1", "accuracy"))
    for name, value in load_file("models/final/model.safetensors").items():
        np.testing.assert_allclose(value, one[name], rtol=1e-3, atol=1e-4)
    assert json.loads(Path("models/final/dxtune.json").read_text())["params"]["train"]["processes"] == 2


def test_two_processes_that_are_stopped_and_killed_go_on_to_the_same_bytes(project: Path) -> None:
    long = {"epochs": 40, "patience": 40}  # so that a signal comes long before the end, on a busy machine, too
    command = ready(project, TRAIN | long | {"processes": 2, "hidden_dropout": 0.1})

    def finish() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    def saved() -> set[str]:
        """The finished checkpoints; os.walk passes over a folder that goes while it looks, where Path.rglob breaks off."""
        return {folder for folder, _, files in os.walk(".cache") if "checkpoint-" in folder and "trainer_state.json" in files}

    finish()
    unbroken = Path("models/final/model.safetensors").read_bytes(), curve("loss"), curve("validation")
    shutil.rmtree("models")

    for sent, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
        started = saved()
        with Path("log").open("w") as log:
            running = subprocess.Popen(command, stderr=log, stdout=log)
        while running.poll() is None and saved() <= started:
            time.sleep(0.01)
        running.send_signal(sent)
        assert running.wait() == code, Path("log").read_text()[-2000:]
        assert "Traceback" not in Path("log").read_text()
        assert not Path("models/final").exists(), f"{sent.name}: {Path('log').read_text()[-2000:]}"
    finish()
    assert Path("models/final/model.safetensors").read_bytes() == unbroken[0]
    assert curve("loss").equals(unbroken[1]) and curve("validation").equals(unbroken[2])


def test_another_number_of_processes_than_the_setting_is_refused(
    project: Path, params_with: Callable[..., Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ParamsError, match=r"train\.processes = 1, but 3 were started"):
        train.run(params_with(model=MODEL, train=TRAIN), Paths())


def test_a_configuration_of_accelerate_that_is_not_there(project: Path, params_with: Callable[..., Params]) -> None:
    with pytest.raises(ParamsError, match=r"train\.accelerate = none\.yaml: no such file: name one of recipes/accelerate"):
        train.run(params_with(model=MODEL, train=TRAIN | {"processes": 2, "accelerate": "none.yaml"}), Paths())


def test_more_layers_than_the_model_has(project: Path, params_with: Callable[..., Params]) -> None:
    from dxtune.errors import ModelError

    settings: dict[str, Any] = MODEL | {"method": "last_n_layers", "last_layers": 9}
    with pytest.raises(ModelError, match="at most 2"):
        train.run(params_with(model=settings, train=TRAIN), Paths())
