"""map_shards: each shard once, the same bytes however it is run, and nothing lost when something dies."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dxtune.errors import DataError, DxtuneError, ParamsError
from dxtune.params import Data
from dxtune.shards import cache, map_shards, read_corpus, shards_of, write_corpus
from tests.conftest import ROOT
from tests.shards import work

LOCAL = Data(workers=1, engine="local", ray_address=None, cache_gb=1)
TWO = LOCAL.model_copy(update={"workers": 2})
RAY = TWO.model_copy(update={"engine": "ray"})
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install '.[ray]'")


def write(root: Path, rows: int, change: dict[int, int] | None = None) -> Path:
    values = [(change or {}).get(row, row) for row in range(rows)]
    write_corpus(pl.DataFrame({"x": values}, schema={"x": pl.Int64}), root / "source", rows_per_shard=4)
    return root / "source"


def run(root: Path, data: Data = LOCAL, fn: Any = work.double, **settings: object) -> list[dict[str, Any]]:
    return map_shards(
        partial(fn, str(root / "log")),
        root / "source",
        {"doubled": root / "doubled"},
        stage="test",
        settings=settings,
        data=data,
        cache_folder=root / "cache",
    )


def calls(root: Path) -> list[str]:
    """What was called since this was asked before."""
    lines = (root / "log").read_text().split() if (root / "log").exists() else []
    (root / "log").unlink(missing_ok=True)
    return sorted(lines)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_shard_is_made_once_and_an_edit_or_an_addition_costs_its_shard(tmp_path: Path) -> None:
    write(tmp_path, 10)
    assert run(tmp_path) == [{"n": 4}, {"n": 4}, {"n": 2}]
    assert read_corpus(tmp_path / "doubled")["x"].to_list() == list(range(0, 20, 2))
    assert calls(tmp_path) == ["0", "4", "8"]
    assert run(tmp_path) == [{"n": 4}, {"n": 4}, {"n": 2}] and calls(tmp_path) == []
    write(tmp_path, 13)
    run(tmp_path)
    assert calls(tmp_path) == ["12", "8"], "the last shard, which was not full, and a new one"
    write(tmp_path, 13, {5: 500})
    run(tmp_path)
    assert calls(tmp_path) == ["4"]
    run(tmp_path, version=2)
    assert len(calls(tmp_path)) == 4, "other settings"
    assert list(shards_of(tmp_path / "doubled").values()) == [4, 4, 4, 1]


def test_an_empty_corpus_is_a_corpus(tmp_path: Path) -> None:
    write(tmp_path, 0)
    assert run(tmp_path) == [{"n": 0}]
    assert read_corpus(tmp_path / "doubled").height == 0


@pytest.mark.parametrize("engine", [TWO, pytest.param(RAY, marks=needs_ray)], ids=["processes", "ray"])
def test_the_bytes_are_the_same_however_it_is_run(tmp_path: Path, engine: Data) -> None:
    written = []
    for name, data in (("one", LOCAL), ("other", engine)):
        write(tmp_path / name, 30)
        facts = run(tmp_path / name, data)
        written.append((facts, bytes_of(tmp_path / name / "doubled")))
        assert len(calls(tmp_path / name)) == 8
    assert written[0] == written[1]


@pytest.mark.parametrize("engine", [LOCAL, TWO, pytest.param(RAY, marks=needs_ray)], ids=["one", "processes", "ray"])
def test_an_error_is_raised_as_it_is_and_leaves_the_target(tmp_path: Path, engine: Data) -> None:
    write(tmp_path, 12)
    (tmp_path / "doubled").mkdir()
    (tmp_path / "doubled/old").touch()
    with pytest.raises(DataError) as caught:
        map_shards(
            work.refuse,
            tmp_path / "source",
            {"doubled": tmp_path / "doubled"},
            stage="test",
            settings={},
            data=engine,
            cache_folder=tmp_path / "cache",
        )
    assert str(caught.value) == "row 1: expected no 4, found one: take it out"
    assert [path.name for path in (tmp_path / "doubled").iterdir()] == ["old"]


@pytest.mark.parametrize("engine", [TWO, pytest.param(RAY, marks=needs_ray)], ids=["processes", "ray"])
def test_of_another_exception_the_place_leaves_the_worker_and_no_message(tmp_path: Path, engine: Data) -> None:
    write(tmp_path, 12)
    data = {"data": engine, "cache_folder": tmp_path / "cache"}
    with pytest.raises(DxtuneError) as caught:
        map_shards(work.stumble, tmp_path / "source", {"doubled": tmp_path / "doubled"}, stage="test", settings={}, **data)
    told = "".join(traceback.format_exception(caught.value))
    assert "unexpected KeyError" in told and "in stumble" in told and "x is [" not in told


def test_a_killed_process_stops_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    write(tmp_path, 30)
    with pytest.raises(DataError, match=r"lower data\.workers and run again"):
        run(tmp_path, TWO, work.die_once)
    run(tmp_path, TWO, work.die_once)
    assert set(calls(tmp_path)) == {str(x) for x in range(0, 30, 4)}
    assert read_corpus(tmp_path / "doubled")["x"].to_list() == list(range(0, 60, 2))


@needs_ray
def test_ray_runs_the_task_of_a_killed_worker_again(tmp_path: Path) -> None:
    write(tmp_path, 30)
    run(tmp_path, RAY, work.die_once)
    assert (tmp_path / "log.died").exists()
    assert read_corpus(tmp_path / "doubled")["x"].to_list() == list(range(0, 60, 2))


@needs_ray
def test_a_cluster_that_does_not_answer_is_a_wrong_setting(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with pytest.raises(ParamsError, match=r"data\.ray_address = 'nowhere"):
        run(tmp_path, RAY.model_copy(update={"ray_address": "nowhere.invalid:1"}))


def test_shards_of_several_corpora_belong_together_by_name(tmp_path: Path) -> None:
    source = write(tmp_path, 10)
    run(tmp_path)
    options: dict[str, Any] = {"stage": "add", "settings": {}, "data": LOCAL, "cache_folder": tmp_path / "cache"}
    map_shards(work.add, [source, tmp_path / "doubled"], {"added": tmp_path / "added"}, **options)
    assert read_corpus(tmp_path / "added")["x"].to_list() == list(range(0, 30, 3))
    only = {"part-00001.parquet"}
    map_shards(work.add, [source, tmp_path / "doubled"], {"added": tmp_path / "added"}, only=only, **options)
    assert read_corpus(tmp_path / "added")["x"].to_list() == [12, 15, 18, 21]
    write(tmp_path, 13)
    with pytest.raises(DataError, match=r"part-00003\.parquet is missing"):
        map_shards(work.add, [source, tmp_path / "doubled"], {"added": tmp_path / "added"}, **options)


@pytest.mark.parametrize("engine", [TWO, pytest.param(RAY, marks=needs_ray)], ids=["processes", "ray"])
def test_a_source_may_be_a_url(tmp_path: Path, engine: Data) -> None:
    source = write(tmp_path, 10)
    options: dict[str, Any] = {"stage": "add", "settings": {}, "data": engine, "cache_folder": tmp_path / "cache"}
    url = f"file://{source}"
    map_shards(work.add, [url, url], {"added": tmp_path / "added"}, **options)
    assert read_corpus(tmp_path / "added")["x"].to_list() == list(range(0, 20, 2))


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL of the run, with its workers at work: no worker stays behind, no finished shard is lost."""
    write(tmp_path, 40)
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.shards import test_mapping as t\n"
        "if __name__ == '__main__': t.run(Path(sys.argv[1]), t.TWO, t.work.slow)\n"
    )
    (tmp_path / "go.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "go.py"), str(tmp_path)], env=environment, start_new_session=True
    )
    while len(list((tmp_path / "cache").glob("test/[!.]*"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "doubled").exists()
    deadline = time.monotonic() + 10
    while _group(process.pid):
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.05)
    kept = len(list((tmp_path / "cache").glob("test/[!.]*")))
    calls(tmp_path)
    run(tmp_path, LOCAL, work.slow)
    assert len(calls(tmp_path)) == 10 - kept
    again = bytes_of(tmp_path / "doubled")
    cache.clear(tmp_path / "cache")
    run(tmp_path, LOCAL, work.slow)
    assert bytes_of(tmp_path / "doubled") == again


def _group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
