"""What the run was worth: release gates, finite figures, a base model that cannot move, packages as they are pinned."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dxtune.paths import Paths
from dxtune.shards import read_json
from dxtune.verifying.outcome import Finding, Outcome
from dxtune.verifying.project import Project

REQUIREMENTS = "requirements.lock"


def gates(project: Project, required: bool) -> Outcome:
    """Whether the model passed the release gates of params.yaml; a gate that it failed is a finding where `required`."""
    file = Paths(project.root).metrics / "evaluate.json"
    if not file.is_file():
        return Outcome(note=f"no {_name(project, file)}", skipped=True)
    release = read_json(file).get("release", {})
    judged: Mapping[str, Mapping[str, Any]] = release.get("gates", {})
    failed = {name: str(gate.get("reason")) for name, gate in judged.items() if not gate.get("passed")}
    note = f"{len(judged) - len(failed)} of {len(judged)} passed"
    if not required:
        return Outcome(note=f"{note}, not required (--gates)" if failed else note)
    remedy = "a better model, or gates that suit its use (evaluate.gates)"
    findings = [Finding(_name(project, file), f"that gate {name} passes", reason, remedy) for name, reason in failed.items()]
    if not release.get("released") and not findings:
        findings = [Finding(_name(project, file), "a decision on the release", "none", "dvc repro evaluate")]
    return Outcome(findings, note=note)


def finite(project: Project) -> Outcome:
    """Whether metrics and plots hold numbers alone where they hold numbers: no NaN, no infinity."""
    findings = []
    for out in project.outputs:
        path = project.root / out.path
        if out.small and path.is_file():
            bad = _constants(path) if path.suffix == ".json" else _cells(path)
            remedy = "find the stage that divides by nothing, and report it as a fault"
            findings += [Finding(f"{out.path}:{where}", "a number", value, remedy) for where, value in bad]
    return Outcome(findings)


def _constants(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of what JSON has no word for."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
        yield from ((number, name) for name in re.findall(r"NaN|-?Infinity", bare))


def _cells(path: Path) -> Iterator[tuple[int, str]]:
    """Line and value of cells that are no finite number, in columns that hold numbers and nothing else."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    for column in zip(*rows[1:], strict=False):
        values = [_number(cell) for cell in column]
        if None not in values:
            lines = enumerate(zip(column, values, strict=True), 2)
            yield from ((line, cell) for line, (cell, value) in lines if value is not None and not math.isfinite(value))


def _number(cell: str) -> float | None:
    """A cell as a number; an empty one counts as one."""
    try:
        return float(cell or 0)
    except ValueError:
        return None


def base_model(project: Project) -> Outcome:
    """Whether params.yaml names a base model that cannot become another: by its commit, or by the checksum of its weights."""
    model = project.params.model
    if re.fullmatch(r"[0-9a-f]{40}", model.revision or "") or model.sha256:
        return Outcome(note=f"{model.name} at {(model.revision or model.sha256 or '')[:12]}")
    trained = Paths(project.root).metrics / "train.json"
    known = read_json(trained).get("base_model_sha256") if trained.is_file() else None
    remedy = (
        f"set model.sha256 to {known}, which train used" if known else "set model.sha256, or model.revision to a commit hash"
    )
    return Outcome([Finding("params.yaml: model", f"{model.name} pinned by model.revision or model.sha256", "neither", remedy)])


def packages(project: Project) -> Outcome:
    """Whether the packages installed here are those that requirements.lock pins; what extras need may be absent."""
    findings = [
        Finding(f"{REQUIREMENTS}: {name}", wanted, found, "make setup; or make lock, if the new version is meant")
        for name, wanted in _pinned(project).items()
        if (found := _installed(name)) not in (None, wanted.partition("+")[0])
    ]
    return Outcome(findings, note=f"as {REQUIREMENTS} says")


def _pinned(project: Project) -> dict[str, str]:
    file = project.root / REQUIREMENTS
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def _installed(name: str) -> str | None:
    """The version of a package without the mark of a build such as +cpu, None where there is none."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def _name(project: Project, file: Path) -> str:
    return file.relative_to(project.root).as_posix()
