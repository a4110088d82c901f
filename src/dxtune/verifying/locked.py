"""dvc.lock against dvc.yaml, the settings, the code, what git holds, and what can still be had of the outputs."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from dxtune import fingerprints
from dxtune.files import leaves, read_json
from dxtune.paths import Paths
from dxtune.verifying.outcome import Finding, Outcome
from dxtune.verifying.project import Project

LOCK = "dvc.lock"
ALWAYS = "always changed"
"""What DVC says of a stage that looks for itself what changed, each time."""
NOT_HERE = ("deleted", "not in cache")
"""How DVC says that a file is absent. That alone is no sign that another would be made: see `outputs`."""


def up_to_date(project: Project) -> Outcome:
    """Whether every stage ran with the command, settings, code and data that are here now, and its outputs are as it left them.

    Files that are absent are not counted as changed: data/raw and its source stay on the machine where they are. In
    their place, what one stage read must be what another wrote.
    """
    made = {out.path for out in project.outputs}
    findings = [
        Finding(f"{stage}: {path}", f"what {LOCK} says", state, "run dvc repro, and commit what it changes")
        for stage, path, state in _changes(project.repo.status())
        if state != ALWAYS and (state not in NOT_HERE or not (path in made or _is_data(project, path)))
    ]
    return Outcome([*findings, *_broken_chain(project)])


def _changes(status: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Stage, file or setting, and how it changed, out of what `dvc status` says."""
    for stage, changes in status.items():
        for change in changes:
            if isinstance(change, str):
                yield stage, "dvc.yaml", change
                continue
            for path, state in (pair for some in change.values() for pair in some.items()):
                if isinstance(state, str):
                    yield stage, path, state
                else:
                    yield from ((stage, f"{path}: {key}", f"{how} setting") for key, how in state.items())


def _is_data(project: Project, path: str) -> bool:
    """Whether a file that is absent is none of git's: the source of the notes."""
    return not any(PurePosixPath(file).is_relative_to(path) for file in project.tracked)


def _broken_chain(project: Project) -> Iterator[Finding]:
    made = {out.path: out for out in project.outputs if out.md5}
    for stage in project.repo.index.stages:
        for dep in stage.deps:
            source = made.get(project.path_of(dep))
            md5 = dep.hash_info.value if dep.hash_info else None
            if source and isinstance(md5, str) and md5 != source.md5:  # of a file that params are from it is their values
                found = f"{dep.hash_info.value} in stage {stage.addressing}"
                yield Finding(
                    f"{LOCK}: {source.path}",
                    f"the md5 {source.md5}, which stage {source.stage} wrote",
                    found,
                    f"dvc repro {stage.addressing}",
                )


def fingerprint(project: Project) -> Outcome:
    """Whether the code, packages and named files that stages would run with now are those in locks/fingerprint.json."""
    file = project.root / fingerprints.RECORD
    recorded = dict(leaves(read_json(file))) if file.is_file() else {}
    now = dict(leaves(fingerprints.record(project.params, Paths(project.root))))
    remedy = "make setup, where it is a package of another version; else run dvc repro, and commit"
    return Outcome(
        [
            Finding(f"{fingerprints.RECORD}: {name}", str(recorded.get(name)), str(now.get(name)), remedy)
            for name in sorted(recorded.keys() | now.keys())
            if recorded.get(name) != now.get(name)
        ]
    )


def committed(project: Project) -> Outcome:
    """Whether dvc.lock, and what DVC leaves to git (metrics, plots), are in git as they are here and as it says."""
    here = {LOCK: _md5((project.root / LOCK).read_bytes()) if (project.root / LOCK).is_file() else None}
    wanted = here | {out.path: out.md5 for out in project.outputs if not (out.cached or out.raw)}
    held = {path: _md5(content) for path, content in project.contents(wanted.keys() & project.tracked.keys())}
    findings = []
    for path, md5 in wanted.items():
        if md5 is None:
            findings.append(Finding(path, "a file that a run made", "none", "run dvc repro, and commit it"))
        elif (found := held.get(path)) != md5:
            source = "here" if path == LOCK else f"in {LOCK}"
            inside = f"{found} in git" if found else "nothing in git"
            findings.append(Finding(path, f"the md5 {md5} as {source}", inside, f"git add {path}, and commit"))
    return Outcome(findings)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def outputs(project: Project) -> Outcome:
    """Whether every cached output is in the workspace or in the cache, or can be pulled from the default remote."""
    remote = project.repo.config["core"].get("remote")
    here = project.repo.data_status(granular=True)
    state = here["uncommitted"]
    missing = set(here["not_in_cache"]) & {*state.get("deleted", ()), *state.get("modified", ()), *state.get("unknown", ())}
    where = f"the default remote {remote}" if remote else "no default remote is set"
    if missing and remote:
        missing &= set(project.repo.data_status(granular=True, not_in_remote=True, remote_refresh=True)["not_in_remote"])
    owners = sorted({_owner(project, path) for path in missing})
    remedy = "where it was made: dvc push. Or make it again: dvc repro"
    findings = [Finding(path, f"it here, or to be pulled ({where})", "neither", remedy) for path in owners]
    return Outcome(findings, note=f"in the workspace or the cache; {where}" if not remote else where)


def _owner(project: Project, path: str) -> str:
    """The output that a file belongs to."""
    inside = (out.path for out in project.outputs if PurePosixPath(path).is_relative_to(out.path))
    return next(inside, path)
