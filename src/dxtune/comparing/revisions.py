"""The test notes of a revision and what its model says of them, read through DVC: no checkout, cache first, then the remote."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import yaml

from dxtune import records
from dxtune.errors import DataError
from dxtune.evaluation.checks import join_predictions
from dxtune.paths import Paths
from dxtune.shards import MANIFEST

WORKSPACE = "workspace"
TRUTH = {
    "classification": ["label"],
    "multilabel": ["labels"],
    "question-answering": ["question", "answer"],
    "generation": ["response"],
}
"""Of each task the columns of data/processed that must be the same where a note is the same."""


@dataclass(frozen=True)
class Side:
    """One of the two. notes: a row a test note in the order of note_id, with TRUTH, records.OUTPUTS and subgroup columns.

    labels: in the order of `probabilities`; settings: what was learnt on validation and saved with the model. Empty where the
    task has none.
    """

    name: str
    task: str
    notes: pl.DataFrame
    labels: list[str]
    settings: dict[str, Any]


UNREAD = {"unlike"}
"""A column of predictions that nothing here looks at: older commits lack it."""


def read(name: str, columns: Sequence[str], remote: bool = True) -> Side:
    """The side of that name: a branch, tag, commit or experiment, or `workspace`. Of notes, only the columns that are needed.

    columns: of subgroups; those that are not there are left out. remote: ask it for what is not in the cache. Raises DataError
    where the revision is unknown, its stages never ran, or their outputs are not to be had.
    """
    revision, paths = _Revision(name, remote), Paths()
    predictions = revision.table(paths.predictions)
    task = next((task for task in TRUTH if set(records.predictions(task)) - UNREAD <= set(predictions.columns)), None)
    if task is None:
        raise DataError(
            f"{name}: {paths.predictions}: expected the columns of one of {', '.join(TRUTH)}, found "
            f"{', '.join(predictions.columns)}: another version wrote it: git checkout {name}, then dvc repro"
        )
    wanted = ["note_id", "patient_id", *TRUTH[task], *(["text"] if task == "question-answering" else []), *columns]
    shards = json.loads(revision.bytes_of(paths.processed / "test" / MANIFEST))["shards"]
    notes = pl.concat([revision.table(paths.processed / "test" / shard, wanted) for shard in shards])
    made = predictions.select("note_id", "patient_id", "split", *(name for name in records.OUTPUTS[task] if name not in UNREAD))
    labels = json.loads(revision.bytes_of(paths.processed / "labels.json")) if task in records.LABEL_IDS else []
    learnt = task in ("multilabel", "question-answering")
    settings = json.loads(revision.bytes_of(paths.model / "dxtune.json")) if learnt else {}
    return Side(name, task, join_predictions(notes, made, "test"), labels, settings)


class _Revision:
    """The files of one revision as DVC and git have them. Raises DataError that says what to do where one is not to be had."""

    def __init__(self, name: str, remote: bool) -> None:
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.scm import RevError

        self.name, self.failures = name, (DvcException, OSError)
        self.files = DVCFileSystem(rev=None if name == WORKSPACE else name, config=None if remote else {"core": {"remote": ""}})
        try:
            self.files.ls("", detail=False)
        except NotDvcRepoError:
            raise DataError("expected a DVC project here, found none: run dxtune compare in the project's folder") from None
        except RevError:
            raise DataError(
                f"unknown revision {name!r}: expected a branch, tag, commit, experiment (dvc exp list) or {WORKSPACE}. In a "
                "fresh clone, branches are named origin/main, and git fetch --unshallow brings older commits"
            ) from None

    def table(self, path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A parquet file, or those of `columns` that it has. Other columns are not read: texts stay where they are."""
        with self._open(path) as file:
            found = pq.ParquetFile(file)
            kept = None if columns is None else [name for name in columns if name in found.schema_arrow.names]
            return pl.DataFrame(pl.from_arrow(found.read(kept)))

    def bytes_of(self, path: Path) -> bytes:
        """A file's content."""
        with self._open(path) as file:
            return bytes(file.read())

    def _open(self, path: Path) -> Any:
        try:
            return self.files.open(path.as_posix(), "rb")
        except self.failures as error:
            if not self._was_made(path):
                raise DataError(
                    f"{self.name}: {path} was never made there: dvc.lock does not name it. {self._again()}"
                ) from None
            raise DataError(
                f"{self.name}: {path} is neither in the cache nor in a remote of this clone ({type(error).__name__}). Where it "
                "was made: dvc push (of an experiment: dvc exp push origin NAME). Here: dvc fetch --all-commits -r REMOTE "
                f"(dvc exp pull origin NAME; in the workspace: dvc pull -r REMOTE). {self._again()}"
            ) from None

    def _was_made(self, path: Path) -> bool:
        """Whether dvc.lock, as it is there, names the file or a folder around it."""
        try:
            stages = yaml.safe_load(self.files.read_bytes("dvc.lock"))["stages"].values()
        except self.failures:
            return False
        outs = {Path(out["path"]) for stage in stages for out in stage.get("outs", [])}
        return bool(outs & {path, *path.parents})

    def _again(self) -> str:
        first = "" if self.name == WORKSPACE else f"git checkout {self.name}, then "
        return f"Or make it again: {first}dvc repro"
