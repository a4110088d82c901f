"""The model beside that of the last commit with other figures, which the report shows.

Which commit that is follows from the figures and the history before them, not from whether they are committed yet: a commit
that holds the same ones is passed over. So whoever has the history finds the same one.
"""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from dxtune import fingerprints
from dxtune.errors import DataError
from dxtune.files import md5_of
from dxtune.params import Params
from dxtune.paths import Paths

SHOWN = 8
"""Digits of a commit's hash."""


def beside_last(recorded: dict[str, Any], params: Params, paths: Paths) -> dict[str, Any]:
    """`compared`, as `compare` gives it without ids and small counts, or `reason`, why not; and `of`: what was compared.

    recorded: what stands in metrics/previous.json. It stays where it is of the same: a clone has the history, and not always
    the predictions of old commits. Nothing is fetched.
    """
    figures = paths.metrics / "evaluate.json"
    commit = last_other(paths.root, figures)
    of = {"commit": commit, "code": fingerprints.recorded("code.previous", paths)}
    of |= {path.stem: md5_of(path) for path in (figures, paths.predictions)}
    known = recorded.get("of", {})
    if "compared" in recorded and known == of | {"commit": commit or known["commit"]}:  # a shallow clone knows of no commit
        return recorded
    if commit is None:
        return {"of": of, "reason": "no commit before this one has other figures"}
    from dxtune.comparing.compare import compare_sides  # loads scikit-learn
    from dxtune.comparing.revisions import WORKSPACE, read
    from dxtune.comparing.show import shareable

    columns = params.collect.subgroup_columns
    try:
        last, own = read(commit[:SHOWN], columns, remote=False), read(WORKSPACE, columns, remote=False)
        last, own = replace(last, name=f"commit {last.name}"), replace(own, name="this model")
        return {"of": of, "compared": _without_ids(shareable(compare_sides(last, own, params)))}
    except DataError as error:
        return {"of": of, "reason": str(error)}


def last_other(root: Path, file: Path) -> str | None:
    """The latest commit in which a file has other bytes than it has here; None where there is none, or no git."""
    own = root.resolve()
    if not any((folder / ".git").exists() for folder in (own, *own.parents)):
        return None
    name = file.relative_to(root).as_posix()
    here = _git(root, "hash-object", "--", name)
    for commit in _git(root, "log", "--format=%H", "--", name).split():
        if _git(root, "rev-parse", "--verify", "--quiet", f"{commit}:./{name}") not in ("", here):
            return commit
    return None


def _git(root: Path, *arguments: str) -> str:
    """What a git command prints, nothing where it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if not done.returncode else ""


def _without_ids(figures: dict[str, Any]) -> dict[str, Any]:
    flipped = {name: {key: cell[key] for key in cell if key != "note_ids"} for name, cell in figures.get("flipped", {}).items()}
    return figures | ({"flipped": flipped} if flipped else {})
