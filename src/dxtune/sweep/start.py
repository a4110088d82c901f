"""What must be so before the first trial: a known metric, a committed tree, data as committed, no other sweep at work."""

import fcntl
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dxtune import fingerprints
from dxtune.errors import ParamsError
from dxtune.params import Params, load_params
from dxtune.paths import Paths
from dxtune.sweep.experiment import git
from dxtune.sweep.space import read_space
from dxtune.sweep.study import Sweep

METRICS = {
    "classification": ("macro_f1", "accuracy"),
    "multilabel": ("micro_f1", "macro_f1"),
    "question-answering": ("span_f1", "span_match"),
    "generation": ("log_likelihood",),
}
"""Of each task, the figures of validation that are the better the higher they are; by the first one train keeps an epoch."""


@contextmanager
def prepare(texts: Sequence[str], metric: str | None, name: str, seed: int, paths: Paths) -> Iterator[Sweep]:
    """A sweep that is ready to run, and the only one of its name. Raises ParamsError, saying what to do, where it cannot be.

    texts: what to search, as read_space takes it. metric: a name of metrics/train.json; None: the first of METRICS.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ParamsError("expected the package optuna, found none: pip install 'dxtune[sweep]'") from None
    params = load_params(paths.root / "params.yaml")
    known = [f"validation_{figure}" for figure in METRICS[params.task]]
    if metric not in (None, *known):
        raise ParamsError(
            f"--metric {metric}: expected {' or '.join(known)}. A sweep chooses by validation alone: of many trials the best "
            "on the test split would look better than it is"
        )
    space = read_space(texts, params)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ParamsError(f"--name {name}: expected letters, digits, - and _: experiments are named after it")
    head = _clean_head(paths)
    _check_data(params, paths)
    with _alone(name, paths) as lock:
        yield Sweep(name, params, space, metric or known[0], seed, paths, head, lock)


def _clean_head(paths: Paths) -> str:
    """The commit at hand. Raises ParamsError where tracked files differ from it."""
    head = git(paths.root, "rev-parse", "HEAD")
    changed = git(paths.root, "status", "--porcelain", "--untracked-files=no")
    if head is None or changed is None:
        raise ParamsError("expected a git repository with a commit, found none: run dxtune in the project's folder")
    if changed:
        names = ", ".join(line[3:] for line in changed.splitlines())
        raise ParamsError(f"expected no uncommitted changes, found some in {names}: trials start from one commit: git commit")
    return head.strip()


def _check_data(params: Params, paths: Paths) -> None:
    """Raises ParamsError where a stage before train would run: in every trial, then."""
    dvc = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing", "tokenize"]
    done = subprocess.run(dvc, cwd=paths.root, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ParamsError(
            f"expected a pipeline that DVC can read, but: {(done.stderr.strip() or 'no message').splitlines()[0]}"
        )
    runs, before = fingerprints.record(params, paths), fingerprints.STAGES[: fingerprints.STAGES.index("train")]
    parts = [(stage, part) for stage in before for part in ("code", "packages")]
    other = {stage for stage, part in parts if runs[part][stage] != fingerprints.recorded(f"{part}.{stage}", paths)}
    other |= set(re.findall(r"^Running stage '(\w+)'", done.stdout, re.MULTILINE))
    if stages := [stage for stage in before if stage in other]:
        raise ParamsError(
            f"expected data/tokens as committed, but {', '.join(stages)} would run first, in every trial: dvc repro tokenize, "
            "then git commit"
        )


@contextmanager
def _alone(name: str, paths: Paths) -> Iterator[int]:
    """A file that is locked as long as a sweep of this name, or a trial that it left behind, is at work."""
    path = paths.cache / "sweeps" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ParamsError(f"the sweep {name}, or a trial of it, is at work already: wait for it, or stop it") from None
        yield file.fileno()
