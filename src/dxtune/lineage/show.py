"""A lineage for a terminal and for a program."""

import json
from dataclasses import asdict

from dxtune.lineage.trace import File, Lineage, Step


def as_text(lineage: Lineage) -> str:
    """The target, then stage by stage what it was made of, the last stage first, then the sources."""
    value = "" if lineage.value is None else f" = {lineage.value}"
    lines = [f"{lineage.target}{value}", *_row("output", f"{_file(lineage.output)}, {lineage.state}")]
    lines += _row("commit", lineage.commit or "none yet: dvc.lock as it is here is not committed")
    for step in lineage.steps:
        lines += ["", f"{step.stage}: {step.cmd}", *_step(step)]
    lines += ["", "sources"]
    lines += [row for file in lineage.sources for row in _row("", _file(file))]
    lines += [row for name, value in lineage.origin for row in _row("", f"{name}: {value}")]
    return "\n".join(lines)


def _step(step: Step) -> list[str]:
    made = [f"{_file(file)} of {file.made_by}" for file in step.read if file.made_by]
    rows = {
        "read": [*made, *(_file(file) for file in step.read if not file.made_by)],
        "wrote": [_file(file) for file in step.wrote],
        "code": [f"{key} {value}" for key, value in step.fingerprints.items()],
        "packages": [", ".join(f"{name} {version}" for name, version in step.packages.items())] if step.packages else [],
        "settings": [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in step.settings.items()],
    }
    return [
        row
        for name, values in rows.items()
        for number, value in enumerate(values)
        for row in _row("" if number else name, value)
    ]


def _row(name: str, value: str) -> list[str]:
    return [f"  {name:<9}{value}"]


def _file(file: File) -> str:
    return f"{file.path} (md5 {file.md5})"


def as_json(lineage: Lineage) -> str:
    """The same for a program."""
    sources = {"sources": [asdict(file) for file in lineage.sources], "origin": dict(lineage.origin)}
    return json.dumps(asdict(lineage) | sources, indent=2, ensure_ascii=False)
