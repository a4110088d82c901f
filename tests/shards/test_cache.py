"""The cache of shards: an entry comes back as it was written or not at all; what was used last stays."""

import os
import time
from pathlib import Path

import pytest

from dxtune.shards import cache
from dxtune.shards.hashes import Hashes


def keep(folder: Path, size: int = 1000, age_s: float = 0) -> Path:
    cache.keep(folder, {"table": (b"x" * size, 3)}, {"n": 3}, Hashes(folder.parent))
    os.utime(folder, (time.time() - age_s,) * 2)
    return folder


def test_an_entry_comes_back_and_an_edited_one_does_not(tmp_path: Path) -> None:
    folder = keep(tmp_path / "stage/key")
    found = cache.find(folder, Hashes(tmp_path))
    assert found is not None and (found.rows, found.facts) == ({"table": 3}, {"n": 3})
    assert found.files["table"].read_bytes() == b"x" * 1000
    found.files["table"].write_bytes(b"x" * 999 + b"y")
    assert cache.find(folder, Hashes(tmp_path)) is None and not folder.exists()
    assert cache.find(tmp_path / "stage/none", Hashes(tmp_path)) is None


@pytest.mark.parametrize("broken", ["facts.json", "table.parquet"])
def test_half_an_entry_is_none(tmp_path: Path, broken: str) -> None:
    folder = keep(tmp_path / "stage/key")
    (folder / broken).unlink()
    assert cache.find(folder, Hashes(tmp_path)) is None


def test_what_was_used_last_stays_and_what_this_run_used_always(tmp_path: Path) -> None:
    old, older, oldest = (keep(tmp_path / f"a/{age}", age_s=age * 86400) for age in (1, 2, 3))
    now = keep(tmp_path / "b/now")
    assert cache.find(oldest, Hashes(tmp_path)) is not None, "used by this run"
    size = cache.usage(tmp_path)["b"].bytes
    assert cache.evict(tmp_path, 4 * size) == 0
    assert cache.evict(tmp_path, 3 * size) == 1
    assert [path.exists() for path in (old, older, oldest, now)] == [True, False, True, True]
    assert cache.evict(tmp_path, 1) == 1
    assert [path.exists() for path in (old, older, oldest, now)] == [False, False, True, True]


def test_what_a_killed_run_left_goes_after_an_hour(tmp_path: Path) -> None:
    young, old = tmp_path / "a/.key.1.part", tmp_path / "a/.key.2.part"
    for folder, age in ((young, 60), (old, 2 * 86400)):
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    cache.evict(tmp_path, 10)
    assert (young.exists(), old.exists()) == (True, False)
    assert cache.usage(tmp_path) == {}


def test_usage_and_clear(tmp_path: Path) -> None:
    for name in ("tokenize/a", "tokenize/b", "deidentify/c"):
        keep(tmp_path / name)
    found = cache.usage(tmp_path)
    assert {stage: kept.shards for stage, kept in found.items()} == {"deidentify": 1, "tokenize": 2}
    assert found["tokenize"].bytes == 2 * found["deidentify"].bytes > 2000
    cache.clear(tmp_path)
    assert cache.usage(tmp_path) == {}
