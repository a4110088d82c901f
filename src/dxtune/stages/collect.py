"""Bring notes and labels from the configured source into data/raw, which is PHI and stays on this machine.

    dxtune collect

Rows that cannot be used go to data/raw/quarantine.parquet with a reason: rows in = records + quarantine.
"""

import os
import re
from importlib import import_module

import polars as pl

from dxtune import records, shards
from dxtune.errors import DataError
from dxtune.params import Collect, Params
from dxtune.paths import Paths


def run(params: Params, paths: Paths) -> None:
    """Writes data/raw and metrics/collect.json. Raises DataError where the source cannot be trained on."""
    settings = params.collect
    if settings.source == "synthetic":
        from dxtune.sources.synthetic import collect

        facts: dict[str, float | int | str]
        notes, quarantine, facts = collect(settings)  # type: ignore[assignment]
    else:
        source = import_module(f"dxtune.sources.{settings.source}")
        batches = [piece.read() for piece in source.pieces(settings, params.task)]
        notes, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
        facts = source.facts(settings)

    for column in (*settings.subgroup_columns, *settings.identifier_columns):
        records.check(notes, {**records.columns(params.task), column: pl.String}, f"source {settings.source}")
    rows = int(facts.get("rows", notes.height + quarantine.height))
    if rows != notes.height + quarantine.height:
        raise DataError(
            f"expected {rows} rows in, found {notes.height} records and {quarantine.height} in quarantine: report this bug"
        )
    reasons: dict[str, int] = dict(quarantine["reason"].value_counts().sort("reason").iter_rows())
    check_quarantine(reasons, rows, settings)
    check_labels(notes, settings)

    paths.raw.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(0o077)  # PHI: the folder gets mode 700 as it is made, and its files 600
    try:
        shards.write_corpus(notes, paths.raw)
        shards.write_parquet(quarantine, paths.raw / "quarantine.parquet")
    finally:
        os.umask(before)
    metrics = {"rows": rows, "records": notes.height, "quarantined": quarantine.height}
    metrics |= {"quarantined_" + re.sub(r"\W+", "_", reason.lower()): count for reason, count in reasons.items()}
    metrics |= {"patients": notes["patient_id"].n_unique(), "labels": notes["label"].n_unique()}
    shards.write_json({**facts, **metrics}, paths.metrics / "collect.json")


def check_quarantine(reasons: dict[str, int], rows: int, settings: Collect) -> None:
    """Raises DataError where more rows are unusable than collect.max_quarantined_share allows."""
    unusable = sum(reasons.values())
    if unusable > settings.max_quarantined_share * rows:
        counts = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        raise DataError(
            f"expected at most {settings.max_quarantined_share:.1%} unusable rows, found {unusable} of {rows} ({counts}): "
            "correct them in the source, or raise collect.max_quarantined_share if they may be left out"
        )


def check_labels(notes: pl.DataFrame, settings: Collect) -> None:
    """Raises DataError where the label column holds one class only, or something else than classes."""
    labels, column = notes["label"].n_unique(), settings.label_column
    if labels < 2:
        raise DataError(
            f"column {column!r}: expected 2 labels or more, found {labels}: set collect.label_column to the diagnosis"
        )
    if labels * 2 > notes.height:  # an id or a name, which must not become a label: labels stand in metrics
        raise DataError(
            f"column {column!r}: expected classes of several notes each, found {labels} different values in {notes.height} "
            "records: set collect.label_column to the column with the diagnosis"
        )
