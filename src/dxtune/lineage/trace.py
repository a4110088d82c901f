"""The chain behind a file: which stages made it, of what, with which settings, code and packages; all from dvc.lock."""

import difflib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dxtune.errors import DataError
from dxtune.files import leaves, read_json
from dxtune.fingerprints import RECORD
from dxtune.lock import LOCK, Stages, read_stages
from dxtune.paths import Paths
from dxtune.reporting.facts import source_rows


@dataclass(frozen=True)
class File:
    """A file or folder as dvc.lock names it. made_by: the stage that wrote it, None where no stage did: a source."""

    path: str
    md5: str
    made_by: str | None


@dataclass(frozen=True)
class Step:
    """A stage as it ran. fingerprints: of its code, and of files that settings name; packages: their versions."""

    stage: str
    cmd: str
    read: list[File]
    wrote: list[File]
    settings: dict[str, Any]
    fingerprints: dict[str, str]
    packages: dict[str, str]


@dataclass(frozen=True)
class Lineage:
    """What is behind a target. state: how the target's output on this disk stands to dvc.lock.

    commit: the last one that changed dvc.lock, None where dvc.lock as it is here is in none. steps: the last one first.
    origin: what the source told of itself, name and value, as in the data card.
    """

    target: str
    output: File
    state: str
    value: Any
    commit: str | None
    steps: list[Step]
    origin: list[tuple[str, str]]

    @property
    def sources(self) -> list[File]:
        """What no stage made: notes as they came, and code."""
        return sorted({file for step in self.steps for file in step.read if file.made_by is None}, key=lambda file: file.path)


def trace(target: str) -> Lineage:
    """The lineage of FILE, or of FILE:METRIC such as metrics/evaluate.json:test.macro_f1.

    Raises DataError where no stage of dvc.lock wrote the file, or it has no such metric.
    """
    name, _, metric = target.partition(":")
    path, stages = PurePosixPath(name.rstrip("/")), read_stages(Path(LOCK))
    made = {out["path"]: stage for stage, entry in stages.items() for out in entry.get("outs", [])}
    output = next((out for out in map(str, (path, *path.parents)) if out in made), None)
    if output is None:
        near = difflib.get_close_matches(str(path), made, 3, 0.4) or sorted(made)[:3]
        raise DataError(f"expected a file that a stage of {LOCK} wrote, found {name!r}: for example {', '.join(near)}")
    steps = [_step(stage, stages, made) for stage in _behind(made[output], stages, made)]
    collect = Paths().metrics / "collect.json"
    facts = read_json(collect) if collect.is_file() and any(step.stage == "collect" for step in steps) else None
    source = next((step.settings["collect.source"] for step in steps if "collect.source" in step.settings), "")
    return Lineage(
        target,
        next(file for step in steps for file in step.wrote if file.path == output),
        _state(output),
        _metric(Path(name), metric) if metric else None,
        _commit(),
        steps,
        source_rows(facts, source) if facts else [],
    )


def _behind(stage: str, stages: Stages, made: Mapping[str, str]) -> list[str]:
    """A stage and all that it depends on, each once, the last to run first."""
    order: list[str] = []

    def visit(name: str) -> None:
        for dep in stages[name].get("deps", []):
            if (maker := _maker(dep["path"], made)) and maker not in order:
                visit(maker)
        if name not in order:
            order.append(name)

    visit(stage)
    return order[::-1]


def _maker(path: str, made: Mapping[str, str]) -> str | None:
    """The stage that wrote a path, or something in it."""
    inside = (stage for out, stage in made.items() if PurePosixPath(out).is_relative_to(path))
    return made.get(path) or next(inside, None)


def _step(stage: str, stages: Stages, made: Mapping[str, str]) -> Step:
    entry = stages[stage]
    settings: dict[str, Any] = {}
    for file, values in entry.get("params", {}).items():
        settings |= values if file != RECORD else {}
    used: Mapping[str, Any] = entry.get("params", {}).get(RECORD, {})
    packages = [value for value in used.values() if isinstance(value, Mapping)]
    return Step(
        stage,
        entry["cmd"],
        list(_files(entry.get("deps", []), made)),
        list(_files(entry.get("outs", []), made)),
        settings,
        {key: value for key, value in used.items() if isinstance(value, str)},
        {name: version or "not installed" for some in packages for name, version in some.items()},
    )


def _files(entries: Sequence[Mapping[str, Any]], made: Mapping[str, str]) -> Iterator[File]:
    for entry in entries:
        digest = next((str(entry[key]) for key in ("md5", "etag", "checksum") if key in entry), "")
        yield File(entry["path"], digest, _maker(entry["path"], made))


def _state(output: str) -> str:
    """How an output on this disk stands to dvc.lock, within a sentence."""
    from dvc.repo import Repo

    repo = Repo()
    (out,) = (out for stage in repo.index.stages for out in stage.outs if out.fs_path == str(Path(output).resolve()))
    how = next(iter(out.status().values()), "")
    return {"": f"as {LOCK} says", "modified": f"changed since {LOCK} was written"}.get(how, "not on this disk")


def _metric(file: Path, name: str) -> Any:
    """The value of a metric. Raises DataError where the file has none of that name."""
    found = dict(leaves(read_json(file)))
    if name not in found:
        near = difflib.get_close_matches(name, found, 3, 0.4) or sorted(found)[:3]
        raise DataError(f"{file}: expected a metric, found {name!r}: for example {', '.join(near)}")
    return found[name]


def _commit() -> str | None:
    """The last commit that changed dvc.lock; None where git has no such file, or another."""
    log, differs = (["git", *some, "--", LOCK] for some in (["log", "-1", "--format=%H"], ["diff", "--quiet", "HEAD"]))
    if subprocess.run(differs, capture_output=True, check=False).returncode:  # noqa: S603
        return None
    return subprocess.run(log, capture_output=True, text=True, check=False).stdout.strip() or None  # noqa: S603
