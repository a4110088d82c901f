"""Hashes of files: a file that stays as it is is read once, one that changes is read again."""

import os
import time
from pathlib import Path

import pytest

from dxtune.shards import hashes
from dxtune.shards.hashes import Hashes, hash_bytes


def write(path: Path, data: bytes, age_s: float = 60) -> Path:
    path.write_bytes(data)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_a_file_is_read_once_and_again_once_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, read = write(tmp_path / "a", b"one"), []
    monkeypatch.setattr(hashes, "hash_bytes", lambda data: read.append(data) or hash_bytes(data))
    known = Hashes(tmp_path)
    assert known.of(file) == known.of(str(file)) == hash_bytes(b"one")
    known.save()
    assert Hashes(tmp_path).of(file) == hash_bytes(b"one") and read == [b"one"]
    (tmp_path / "link").hardlink_to(file)
    assert Hashes(tmp_path).of(tmp_path / "link") == hash_bytes(b"one") and read == [b"one"]
    write(file, b"two", age_s=50)
    assert Hashes(tmp_path).of(file) == hash_bytes(b"two") and read == [b"one", b"two"]


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    known, file = Hashes(tmp_path), write(tmp_path / "a", b"one", age_s=0)
    moment = file.stat().st_mtime_ns
    assert known.of(file) == hash_bytes(b"one")
    file.write_bytes(b"two")
    os.utime(file, ns=(moment, moment))
    assert known.of(file) == hash_bytes(b"two")


@pytest.mark.parametrize("broken", [b"", b"{", b"[1]", b"\xff"])
def test_a_memory_that_is_broken_is_none(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / hashes.FILE).write_bytes(broken)
    file = write(tmp_path / "a", b"one")
    known = Hashes(tmp_path)
    assert known.of(file) == hash_bytes(b"one")
    known.save()
    assert Hashes(tmp_path).of(file) == hash_bytes(b"one")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Hashes(tmp_path).of(tmp_path / "none")
