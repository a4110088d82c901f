"""Training that is killed, stopped, short of disk or memory, or diverges: the same weights, or a message that helps."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dxtune.errors import ModelError
from tests.conftest import ROOT
from tests.training.test_trainer import settings, tokens, train, weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("robust")


@pytest.fixture(scope="module")
def said(tiny_model: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What happened in the scenarios of robust.py, by name."""
    command = [sys.executable, "-m", "tests.training.robust", str(tiny_model), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    happened: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return happened


def test_ten_kills_at_steps_and_in_saves_leave_the_weights_as_they_were(said: dict[str, Any]) -> None:
    happened = said["killed"]
    assert [status for *_, status, _ in happened["kills"]] == [-signal.SIGKILL] * 10, happened
    assert [left for *_, left in happened["kills"][::2]] == [None, *(f"checkpoint-{step}" for step in (15, 30, 45, 60))], (
        happened
    )
    assert happened["end"] == happened["unbroken"], happened


def test_kills_in_domain_adaptation_and_behind_it_leave_all_as_it_was(said: dict[str, Any]) -> None:
    happened = said["killed_around_adaptation"]
    assert [status for *_, status, _ in happened["kills"]] == [-signal.SIGKILL] * 12, happened
    adaptation = [f"domain_adaptation/checkpoint-{step}" for step in (15, 30, 45, 60)]
    assert [left for *_, left in happened["kills"][::2]] == [None, *adaptation, "checkpoint-15"], happened
    assert happened["end"] == happened["unbroken"], happened


def test_a_run_that_is_asked_to_stop_saves_and_goes_on_with_its_patience(said: dict[str, Any]) -> None:
    happened = said["asked"]
    assert [Path(left).name for _, _, left in happened["stops"]] == [f"checkpoint-{step}" for step in (4, 22, 30, 40, 45)]
    assert {code for code, _, _ in happened["stops"]} == {143}
    assert all("saved. Run it again, and it goes on from there" in line for _, line, _ in happened["stops"])
    assert happened["end"] == happened["unbroken"], "weights, curves and epochs"


def test_a_full_disk_leaves_the_last_good_checkpoint(said: dict[str, Any]) -> None:
    happened = said["full"]
    assert happened["status"] == 3, happened["says"]
    assert "checkpoint of step 30 could not be written" in happened["says"]
    assert happened["says"].endswith("is the disk full? Free some space and run again: it goes on from step 15")
    assert happened["left"] == ["checkpoint-15"]
    assert happened["end"] == happened["unbroken"]


def test_out_of_memory_takes_fewer_notes_at_a_time_and_learns_the_same(said: dict[str, Any], folder: Path) -> None:
    happened = said["memory"]
    assert happened["status"] == [0, 0], happened["says"]
    assert happened["says"].count("out of memory at step 1: from here on") == 1
    (loss, learned), (other, expected) = (torch.load(folder / "memory" / f"{name}.pt") for name in ("limited", "whole"))
    assert loss == pytest.approx(other, abs=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(learned[name], value, rtol=1e-4, atol=1e-5)


def test_four_times_four_notes_are_sixteen(tiny_model: Path, tmp_path: Path) -> None:
    whole, fitted = train(tiny_model, tmp_path / "a", batch_size=16, epochs=2)
    parts, summed = train(tiny_model, tmp_path / "b", batch_size=16, epochs=2, micro_batch=4)
    np.testing.assert_allclose(summed.loss["loss"], fitted.loss["loss"], rtol=1e-4, atol=1e-5)
    assert summed.metrics == fitted.metrics
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(parts)[name], value, rtol=1e-3, atol=1e-4)


def test_a_loss_that_is_no_number_stops_with_all_that_is_known(tiny_model: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(tiny_model, tmp_path / "broken"))
    tensors = load_file(broken / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][51] = torch.inf
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError) as stopped:
        train(broken, tmp_path / "a")
    says = str(stopped.value)
    assert "diverged at step 1 of 45: the loss is nan" in says
    assert "Learning rate" in says and "gradient norm nan" in says and "Try a lower train.lr" in says
    named = re.search(r"notes (.*)\. Try", says).group(1).split(", ")  # type: ignore[union-attr]
    assert len(named) == 8 and set(named) <= set(tokens(120, 0)["note_id"])
    assert not list((tmp_path / "a").glob("checkpoint-*"))


def test_a_loss_beyond_all_bounds_stops(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"diverged at step \d+ of 45: the loss is \d"):
        train(tiny_model, tmp_path / "a", lr=1.0, max_grad_norm=1e9, warmup_share=0.0)


def test_micro_batches_divide_the_batch_or_leave_a_smaller_last(tiny_model: Path, tmp_path: Path) -> None:
    assert settings(micro_batch=3).micro_batch == 3
    _, three = train(tiny_model, tmp_path / "a", epochs=1, micro_batch=3)
    _, whole = train(tiny_model, tmp_path / "b", epochs=1)
    np.testing.assert_allclose(three.loss["loss"], whole.loss["loss"], rtol=1e-4, atol=1e-5)
