"""training/processes.py and recipes/accelerate: accelerate reads each file, and divided weights come together again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch
from accelerate.commands import launch
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from dxtune.training.callbacks import StopWhenAsked
from tests.conftest import ROOT

KIND = {"cpu_gloo": "multi_gpu", "gpu_ddp": "multi_gpu", "fsdp": "use_fsdp", "deepspeed_zero2": "use_deepspeed"}


@pytest.mark.parametrize("file", sorted((ROOT / "recipes/accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_each_file_as_it_is_meant(file: Path) -> None:
    line = [f"--config_file={file}", "--num_processes=4", "--num_cpu_threads_per_process=1", "--module", "dxtune", "train"]
    arguments, _, _ = launch._validate_launch_command(launch.launch_command_parser().parse_args(line))
    assert [name for name in sorted({*KIND.values()}) if getattr(arguments, name)] == [KIND[file.stem]]
    assert (arguments.num_processes, arguments.training_script, arguments.mixed_precision) == (4, "dxtune", "no")
    if file.stem == "fsdp":
        with mock.patch.dict(os.environ, prepare_multi_gpu_env(arguments)):
            plugin = FullyShardedDataParallelPlugin()
            assert (plugin.fsdp_version, str(plugin.state_dict_type).rpartition(".")[2]) == (2, "FULL_STATE_DICT")
            assert os.environ["ACCELERATE_USE_FSDP"] == "true", "what processes.spare looks at"
    if file.stem == "deepspeed_zero2":
        arguments.deepspeed_fields_from_accelerate_config = ""
        environment = prepare_deepspeed_cmd_env(arguments)[1]
        assert (environment["ACCELERATE_USE_DEEPSPEED"], environment["ACCELERATE_DEEPSPEED_ZERO_STAGE"]) == ("true", "2")


def divided(base: Path, folder: Path) -> None:
    """What each of two processes does: divides a model, takes a step, and puts it together again."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from dxtune.tasks import classification
    from dxtune.training.processes import is_first, spare, whole

    torch.distributed.init_process_group("gloo")
    torch.manual_seed(0)
    model = classification.build(base, 3, 0.0, 0.0)
    kept = spare(model)
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    batch = {"input_ids": torch.full((4, 8), 50), "attention_mask": torch.ones(4, 8, dtype=torch.long)}
    model(**batch, labels=torch.tensor([0, 1, 2, 0]))["loss"].backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    together = whole(model, kept)
    if is_first():
        classification.save(together, folder, ["a", "b", "c"], {})
    torch.distributed.destroy_process_group()


def test_weights_that_fsdp_divided_are_whole_again(tiny_model: Path, tmp_path: Path) -> None:
    from dxtune.tasks import classification

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, "-m", "tests.training.test_processes", str(tiny_model), str(tmp_path / "final")]
    environment = {**os.environ, "ACCELERATE_USE_FSDP": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    torch.manual_seed(0)
    model = classification.build(tiny_model, 3, 0.0, 0.0)
    batch = {"input_ids": torch.full((4, 8), 50), "attention_mask": torch.ones(4, 8, dtype=torch.long)}
    model(**batch, labels=torch.tensor([0, 1, 2, 0]))["loss"].backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    saved, _, _ = classification.load(tmp_path / "final")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(saved.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def of_two_processes(talk: Callable[[torch.Tensor], None], monkeypatch: pytest.MonkeyPatch) -> tuple[StopWhenAsked, list[Any]]:
    """What watches one of two processes in the middle of an epoch; `talk` stands for what they tell each other."""
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda asked, _: talk(asked))
    state = SimpleNamespace(global_step=3, is_world_process_zero=False)
    return StopWhenAsked(10), [SimpleNamespace(world_size=2, device="cpu"), state, SimpleNamespace(should_save=False)]


def test_a_signal_that_comes_while_two_processes_talk_is_heard_at_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of_others = [lambda: os.kill(os.getpid(), signal.SIGTERM), lambda: None]
    watch, now = of_two_processes(lambda asked: asked_of_others.pop(0)(), monkeypatch)
    watch.on_train_begin(*now)
    try:
        watch.on_step_end(*now)
        assert not now[2].should_save, "the other process does not know of it yet: both go on"
        watch.on_step_end(*now)
        assert now[2].should_save
    finally:
        watch.on_train_end(*now)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("other", [False, True])
def test_at_the_checkpoint_of_an_epoch_both_processes_stop_or_neither(
    own: bool, other: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, now = of_two_processes(lambda asked: asked.fill_(max(int(asked), other)), monkeypatch)
    watch.asked = own
    try:
        watch.on_save(*now)
        stopped = False
    except SystemExit:
        stopped = True
    assert stopped == (own or other)


if __name__ == "__main__":
    divided(Path(sys.argv[1]), Path(sys.argv[2]))
