"""Bring notes and labels from the configured source into data/raw, which is PHI and stays on this machine.

    dxtune collect

Piece by piece: what was made of a piece that has not changed is left as it stands. Rows that cannot be used go to
data/raw/quarantine with a reason: rows in = records + quarantine.
"""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune import records
from dxtune.code import canonical, digest, fingerprint, versions
from dxtune.errors import DataError
from dxtune.params import Collect, Params
from dxtune.paths import Paths
from dxtune.shards import iter_shards, write_json
from dxtune.shards.hashes import Hashes
from dxtune.sources import find_source, store

LABELS = {"classification": pl.col("label"), "multilabel": pl.col("labels").explode().drop_nulls()}
"""Of each task that has classes, their names."""
NOT_IN_RECORDS = {"max_quarantined_share", "notes", "path"}
"""Settings that change no record: what they change of the pieces, the pieces' keys say."""


def run(params: Params, paths: Paths) -> None:
    """Writes data/raw and metrics/collect.json. Raises DataError where the source cannot be trained on."""
    settings, task = params.collect, params.task
    source = find_source(settings.source)
    along = (*settings.subgroup_columns, *settings.identifier_columns)
    schema = {**records.columns(task), **dict.fromkeys(along, pl.String)}
    used = settings.model_dump(exclude=NOT_IN_RECORDS)
    made_by = digest([fingerprint(source.pieces), task, canonical(used), versions("polars", "pyarrow")])
    paths.raw.parent.mkdir(parents=True, exist_ok=True)
    known = Hashes(paths.shard_cache)
    with store.private(), ThreadPoolExecutor(1) as beside:
        facts = beside.submit(source.facts, settings)  # the hashes of the files
        made = store.write_pieces(source.pieces(settings, task), paths.raw, made_by, schema, params.data.workers, known)
        store.finish(made, paths.raw, made_by)
    known.save()
    try:
        metrics = check(paths.raw, sum(piece["rows"] for piece in made), settings, task)
    except DataError:
        (paths.raw / "manifest.json").unlink()  # finished pieces stay, but this is no corpus to work with
        raise
    write_json({**years(paths.raw), **facts.result(), **metrics}, paths.metrics / "collect.json")


def years(raw: Path) -> dict[str, int]:
    """The first and the last year of the notes' dates, where there are any: no other part of a date leaves data/raw."""
    year = pl.col("note_date").str.extract(r"^(\d{4})").cast(pl.Int64)
    found = [frame.select(first=year.min(), last=year.max()) for _, frame in iter_shards(raw, ["note_date"])]
    first, last = pl.concat(found).select(pl.col("first").min(), pl.col("last").max()).row(0)
    return {} if first is None else {"first_year": first, "last_year": last}


def check(raw: Path, rows: int, settings: Collect, task: str) -> dict[str, int]:
    """The counts of a corpus of records. Raises DataError where it cannot be trained on. Memory: 24 bytes a record."""
    counts: Counter[str] = Counter()
    first = ""
    for _, quarantine in iter_shards(raw / store.QUARANTINE, ["file", "row", "reason"]):
        counts.update(quarantine["reason"].to_list())
        for file, row, reason in quarantine.filter(~pl.col("reason").str.starts_with(records.LEFT_OUT)).head(1).iter_rows():
            first = first or f"row {row} of {file}, {reason}"
    left_out = {reason: counts[reason] for reason in sorted(counts) if reason.startswith(records.LEFT_OUT)}
    unusable = {reason: counts[reason] for reason in sorted(counts) if reason not in left_out}  # not chosen to be left out
    check_quarantine(unusable, first, rows, settings)
    notes = hashes(raw, pl.col("note_id"))
    check_ids(notes, raw, settings)
    metrics = {"rows": rows, "records": len(notes), "quarantined": sum(unusable.values())}
    metrics |= {"left_out": sum(left_out.values())} if left_out else {}
    metrics |= {"quarantined_" + re.sub(r"\W+", "_", reason.lower()): count for reason, count in unusable.items()}
    metrics |= {re.sub(r"\W+", "_", reason.lower()): count for reason, count in left_out.items()}
    metrics |= {"patients": len(np.unique(hashes(raw, pl.col("patient_id"))))}
    if task in LABELS:
        labels = hashes(raw, LABELS[task])
        check_labels(len(np.unique(labels)), len(labels), settings)
        metrics |= {"labels": len(np.unique(labels))}
    return metrics


def hashes(raw: Path, values: pl.Expr) -> npt.NDArray[np.uint64]:
    """The 64-bit hashes of a column of all shards, in order: enough to count and to compare, whatever stands there."""
    columns = values.meta.root_names()
    return np.concatenate([frame.select(values.hash(0)).to_series().to_numpy() for _, frame in iter_shards(raw, columns)])


def check_ids(notes: npt.NDArray[np.uint64], raw: Path, settings: Collect) -> None:
    """Raises DataError where a note's id is another one's too. notes: the hashes of all ids, in order."""
    ordered = np.sort(notes)
    suspects = ordered[1:][ordered[1:] == ordered[:-1]]
    seen: dict[str, str] = {}
    for name, frame in iter_shards(raw, ["note_id"]) if len(suspects) else ():
        for row in np.flatnonzero(np.isin(frame["note_id"].hash(0).to_numpy(), suspects)).tolist():
            note_id, place = frame["note_id"][row], f"record {row + 1} of {raw.name}/{name}"
            if note_id in seen:
                raise DataError(
                    f"column {settings.note_id_column!r}: expected an id of its own for each note, found {note_id!r} again in "
                    f"{place} (first in {seen[note_id]}): remove one of the rows, or set collect.note_id_column to null"
                )
            seen[note_id] = place


def check_quarantine(reasons: dict[str, int], first: str, rows: int, settings: Collect) -> None:
    """Raises DataError where more rows are unusable than collect.max_quarantined_share allows; says where the first is."""
    unusable = sum(reasons.values())
    if unusable > settings.max_quarantined_share * rows:
        counts = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        raise DataError(
            f"expected at most {settings.max_quarantined_share:.1%} unusable rows, found {unusable} of {rows} ({counts}); "
            f"the first is {first}; all are listed in data/raw/quarantine: correct them in the source, "
            "or raise collect.max_quarantined_share if they may be left out"
        )


def check_labels(labels: int, values: int, settings: Collect) -> None:
    """Raises DataError where the label column holds one class only, or something else than classes."""
    column = settings.label_column
    if labels < 2:
        raise DataError(
            f"column {column!r}: expected 2 labels or more, found {labels}: set collect.label_column to the diagnosis"
        )
    if labels * 2 > values:  # an id or a name, which must not become a label: labels stand in metrics
        raise DataError(
            f"column {column!r}: expected classes of several notes each, found {labels} different values in {values} "
            "records: set collect.label_column to the column with the diagnosis"
        )
