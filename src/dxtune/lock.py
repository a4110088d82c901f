"""dvc.lock: what each stage ran with and what it wrote. Read, and merged stage by stage where two branches changed it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dxtune.errors import DataError
from dxtune.shards import write_text

LOCK = "dvc.lock"
Stages = Mapping[str, Mapping[str, Any]]
"""Of each stage its command, dependencies, settings and outputs, as DVC wrote them."""


def read_stages(file: Path) -> Stages:
    """The stages of a lock file; none where it is empty. Raises DataError where it is none, such as after a conflict."""
    from dvc.utils.serialize import YAMLError, parse_yaml

    try:
        lock = parse_yaml(file.read_text(encoding="utf-8"), str(file))
        stages: Stages = lock.get("stages", {})
        if all("cmd" in stage for stage in stages.values()):
            return stages
    except (FileNotFoundError, YAMLError, AttributeError, TypeError):
        pass
    raise DataError(f"{file}: expected the stages that DVC writes, found none: git checkout it, or dvc repro to make it again")


def merge(base: Path, ours: Path, theirs: Path) -> list[str]:
    """Writes the merge of two lock files into `ours`; the names of stages that both sides changed, each in another way.

    A stage is taken as it is on the side that changed it. One that both changed is left out: then there is no record of it, and
    `dvc repro` runs it. An entry is only ever taken whole, so it is always true of a run that took place; whether it fits what
    stands around it is for DVC to see, and it does.
    """
    from dvc.utils.serialize import dumps_yaml

    old, mine, other = (read_stages(file) for file in (base, ours, theirs))
    merged: dict[str, Mapping[str, Any]] = {}
    both = []
    for name in sorted({*mine, *other}):
        a, b, before = mine.get(name), other.get(name), old.get(name)
        kept = a if b in (a, before) else b if a == before else None
        if kept is not None:
            merged[name] = kept
        elif a is not None and b is not None:
            both.append(name)
    order = [name for name in [*mine, *other] if name in merged]
    write_text(dumps_yaml({"schema": "2.0", "stages": {name: merged[name] for name in order}}), ours)
    return both
