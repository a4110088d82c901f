"""A second build of the last commit in a scratch clone, compared with the workspace byte by byte."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dxtune.deid import key
from dxtune.errors import ParamsError
from dxtune.paths import Paths
from dxtune.verifying.outcome import Finding, Outcome
from dxtune.verifying.project import Project

BLOCK = 1 << 20
SHOWN = 2000
"""Characters of what a failed build said: its last ones."""


def twice(project: Project) -> Outcome:
    """Whether every stage, run again from the last commit, writes the bytes that lie here; names the first that differ.

    The clone stands in .cache, on the disk that may hold raw notes, readable by its owner alone, and is removed again. Code and
    settings are those of the commit; what git ignores and stages read (the source of the notes, a local base model, the key) is
    that of the workspace.
    """
    if changed := project.git("status", "--porcelain", "--untracked-files=no").decode().splitlines():
        remedy = "commit or stash it: what is built again is the last commit"
        return Outcome([Finding(changed[0][3:], "a workspace as committed", "changes that are not", remedy)])
    root = project.root.resolve()
    Paths(root).cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="twice-", dir=Paths(root).cache) as folder:
        clone = Path(folder) / "clone"
        project.git("clone", "--quiet", "--local", str(root), str(clone))
        for path in _needed(project):
            if not (clone / path).exists():  # it may be in a folder that is linked
                (clone / path).parent.mkdir(parents=True, exist_ok=True)
                (clone / path).symlink_to(root / path)
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", "--force", "--no-commit", "--quiet"],
            cwd=clone,
            env=_environment(root, clone),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            found = f"exit code {done.returncode}: {done.stderr.strip()[-SHOWN:]}"
            return Outcome([Finding("dvc repro --force", "a second run that ends well", found, "see what it says")])
        remedy = "find what it depends on beside inputs, settings and code: time, order, threads, processor"
        findings = [
            Finding(where, "the bytes that are here", found, remedy)
            for out in project.outputs
            for where, found in differences(root / out.path, clone / out.path, out.path)
        ]
    return Outcome(findings, note=f"{len(project.outputs)} outputs built again, the same bytes")


def _needed(project: Project) -> list[str]:
    """What stages read that git does not hold and no stage makes, relative to the project."""
    params, made = project.params, {out.path for out in project.outputs}
    read = {project.path_of(dep) for stage in project.repo.index.stages for dep in stage.deps} - made
    read |= {params.collect.path, params.model.name, params.deidentify.vote_model or ""}
    here = [path for path in sorted(read) if path and not Path(path).is_absolute() and (project.root / path).exists()]
    return [path for path in here if not any(Path(file).is_relative_to(path) for file in project.tracked)]


def _environment(root: Path, clone: Path) -> dict[str, str]:
    """That of this process with the clone's code, and the key of this project, which is written nowhere."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    path = [str(clone / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    own = {"PYTHONPATH": os.pathsep.join(path), "PATH": programs}
    with suppress(ParamsError):  # where there is none: what needs no key runs without
        own["DXTUNE_DEID_KEY"] = key.secret_key(root).decode()
    return inherited | own


def differences(here: Path, again: Path, name: str) -> Iterator[tuple[str, str]]:
    """Name, and what is wrong, of the first file of an output that differs; nothing where all are the same."""
    if not here.exists():
        yield name, "nothing here to compare with: dvc pull, or dvc repro"
        return
    files = {path.relative_to(root) for root in (here, again) for path in _files(root)}
    for file in sorted(files):
        where = (Path(name) / file).as_posix()
        one, other = here / file, again / file
        if not (one.is_file() and other.is_file()):
            yield where, "it in one build alone"
            return
        if (offset := first_difference(one, other)) is not None:
            yield where, f"another byte at offset {offset} of {one.stat().st_size}"
            return


def _files(root: Path) -> list[Path]:
    return [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]


def first_difference(one: Path, other: Path) -> int | None:
    """The offset of the first byte that differs, or where the shorter file ends; None where they are the same."""
    with one.open("rb") as a, other.open("rb") as b:
        at = 0
        while True:
            x, y = a.read(BLOCK), b.read(BLOCK)
            if x != y:
                return at + next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
            if not x:
                return None
            at += len(x)
