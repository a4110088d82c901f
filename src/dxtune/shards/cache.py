"""Finished shards, kept so that no work is done twice: .cache/shards/<stage>/<key>/, a parquet file a table, and facts.json.

An entry appears by rename, whole or not at all. It is never PHI. The modification time of its folder is when it was last used.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dxtune.shards.hashes import Hashes, hash_bytes

FACTS = "facts.json"
_STARTED = time.time()


@dataclass(frozen=True)
class Entry:
    """One finished shard: its tables' files and rows, and the facts that came with them."""

    files: dict[str, Path]
    rows: dict[str, int]
    facts: dict[str, Any]


def find(folder: Path, hashes: Hashes) -> Entry | None:
    """The entry in a folder, None where there is none or where a file is not what was written there. It counts as used now."""
    try:
        kept = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        files = {name: folder / f"{name}.parquet" for name in kept["tables"]}
        sound = all(hashes.of(files[name]) == table["sha256"] for name, table in kept["tables"].items())
        os.utime(folder)
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return Entry(files, {name: table["rows"] for name, table in kept["tables"].items()}, kept["facts"])


def keep(folder: Path, tables: Mapping[str, tuple[bytes, int]], facts: Mapping[str, Any], hashes: Hashes) -> Entry:
    """Writes an entry aside and renames it; the hashes of its files are remembered. tables: parquet bytes and rows, by name."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, (data, _) in tables.items():
        (aside / f"{name}.parquet").write_bytes(data)
    listed: dict[str, dict[str, Any]] = {
        name: {"rows": rows, "sha256": hash_bytes(data)} for name, (data, rows) in tables.items()
    }
    text = json.dumps({"tables": listed, "facts": facts}, sort_keys=True, allow_nan=False)
    (aside / FACTS).write_text(text, encoding="utf-8")
    try:
        aside.rename(folder)
    except OSError:  # another run was faster
        shutil.rmtree(aside)
        entry = find(folder, hashes)
        assert entry is not None, f"{folder} was written a moment ago"
        return entry
    files = {name: folder / f"{name}.parquet" for name in tables}
    for name, file in files.items():
        hashes.remember(file, listed[name]["sha256"])
    return Entry(files, {name: rows for name, (_, rows) in tables.items()}, dict(facts))


@dataclass(frozen=True)
class Usage:
    """What a stage keeps: how many shards, their bytes, and when one was last used (seconds since 1970)."""

    shards: int
    bytes: int
    last_use: float


def usage(root: Path) -> dict[str, Usage]:
    """What each stage keeps, by name."""
    found: dict[str, list[tuple[float, int]]] = {}
    for used, size, folder in _entries(root):
        found.setdefault(folder.parent.name, []).append((used, size))
    return {
        stage: Usage(len(some), sum(size for _, size in some), max(used for used, _ in some))
        for stage, some in sorted(found.items())
    }


def evict(root: Path, limit: int) -> int:
    """Removes what was not used for longest until `limit` bytes are left, and what killed runs left behind; how many entries.

    What this run has used stays, even over the limit.
    """
    for aside in root.glob("*/.*.part"):
        if aside.stat().st_mtime < _STARTED - 3600:  # an hour: another run may be writing it
            shutil.rmtree(aside, ignore_errors=True)
    entries = sorted(_entries(root))
    total, removed = sum(size for _, size, _ in entries), 0
    for used, size, folder in entries:
        if total <= limit or used >= _STARTED:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total, removed = total - size, removed + 1
    return removed


def clear(root: Path) -> None:
    """Removes all of it."""
    shutil.rmtree(root, ignore_errors=True)


def _entries(root: Path) -> list[tuple[float, int, Path]]:
    """When it was last used, its bytes, and its folder, of each entry."""
    result = []
    for folder in root.glob("*/[!.]*"):
        try:
            result.append((folder.stat().st_mtime, sum(file.stat().st_size for file in folder.iterdir()), folder))
        except OSError:  # another run removes it at this moment
            continue
    return result
