"""Single files, written aside and renamed: nobody sees a part of one."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from dxtune.errors import DataError


def write_bytes(data: bytes, path: Path) -> None:
    """Writes one file aside and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(data)
    aside.replace(path)


def write_text(text: str, path: Path) -> None:
    """Writes one text file aside and renames it."""
    write_bytes(text.encode("utf-8"), path)


def write_json(value: object, path: Path) -> None:
    """Writes sorted, indented JSON aside and renames it; NaN and infinity raise ValueError."""
    write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", path)


def read_json(path: Path) -> Any:
    """What a JSON file that a stage wrote holds. Raises DataError where it is absent or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise DataError(f"{path}: expected a JSON file, found none: run dvc repro (or dvc pull) first") from None


def md5_of(path: Path) -> str:
    """The MD5 of a file, as DVC has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def leaves(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested names, under names with points.

    >>> list(leaves({"test": {"macro_f1": 0.5}, "notes": 3}))
    [('test.macro_f1', 0.5), ('notes', 3)]
    """
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
