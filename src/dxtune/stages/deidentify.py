"""Remove protected health information: nothing before this stage's output ever leaves the machine.

    dxtune deidentify

Safe Harbor, 45 CFR 164.514(b)(2). Reads data/raw; writes data/deidentified, the audit table and metrics/deidentify.json.
"""

from typing import Any

import polars as pl

from dxtune import records, shards
from dxtune.deid import Deidentifier, audit, key
from dxtune.deid.vote import load_voter
from dxtune.errors import DataError, LeakageError
from dxtune.params import Params
from dxtune.paths import Paths


def run(params: Params, paths: Paths) -> None:
    """Writes the corpus without identifiers, and what was masked; raises LeakageError where something is left."""
    settings, columns = params.deidentify, params.collect.identifier_columns
    raw = records.check(shards.read_corpus(paths.raw), records.RAW, str(paths.raw))
    if empty := [name for name in ("text", "note_id", "patient_id") if raw[name].null_count()]:
        raise DataError(
            f"{paths.raw}: expected a value in every row, some are empty: {', '.join(empty)}: run dvc repro collect again"
        )
    public = params.collect.source == "synthetic" or settings.key == "public"
    secret = key.public_key() if public else key.recorded_key(paths.root)
    voter = (
        load_voter(settings.vote, settings.vote_model or "", settings.vote_revision, paths.root)
        if settings.vote != "none"
        else None
    )
    engine = Deidentifier(secret, settings.style, settings.dates, voter)

    texts = raw["text"].to_list()
    known = (
        raw.select(pl.concat_str(pl.col(columns), separator="\n", ignore_nulls=True)).to_series().to_list() if columns else None
    )
    done = engine.examine(texts, raw["patient_id"].to_list(), known)
    frame = replace_identifiers(raw, done.texts, engine, params.collect.subgroup_columns)
    if frame.height != raw.height:
        raise DataError(f"{paths.raw} has {raw.height} rows, but {frame.height} are left: report this as a bug")
    if left := audit.leaks(frame["note_id"], texts, done, known, engine):
        some = "; ".join(f"{note} ({', '.join(kinds)})" for note, kinds in left[:5])
        raise LeakageError(f"{len(left)} notes still hold identifiers: {some}. Nothing was written: report this as a bug")

    metrics: dict[str, Any] = {"notes": raw.height, "key_fingerprint": engine.key_fingerprint, **audit.versions()}
    metrics |= audit.count(texts, done.spans)
    if "gold_spans" in raw.columns:
        metrics |= audit.recall(texts, done.spans, raw["gold_spans"].to_list())
    check_recall(metrics, settings.min_full_recall)
    shards.write_corpus(frame, paths.deidentified)
    shards.write_parquet(audit.table(frame["note_id"], texts, done, engine), paths.audit)
    shards.write_json(metrics, paths.metrics / "deidentify.json")


def replace_identifiers(raw: pl.DataFrame, clean: list[str], engine: Deidentifier, subgroups: tuple[str, ...]) -> pl.DataFrame:
    """The records with clean texts, pseudonyms for record numbers, and the year of each date; no unknown column."""
    year = pl.col("note_date").str.slice(0, 4)
    frame = raw.with_columns(
        pl.Series("text", clean, dtype=pl.String),
        pl.Series("note_id", [engine.pseudonym("note", value) for value in raw["note_id"]], dtype=pl.String),
        pl.Series("patient_id", [engine.pseudonym("patient", value) for value in raw["patient_id"]], dtype=pl.String),
        pl.when(year.str.contains(r"^\d{4}$")).then(year).alias("note_year"),
    )
    extra = [name for name in (*subgroups, "posterior") if name in frame.columns and name not in records.DEIDENTIFIED]
    return records.check(frame.select(*records.DEIDENTIFIED, *extra), records.DEIDENTIFIED, "deidentify")


def check_recall(metrics: dict[str, Any], least: float) -> None:
    """Raises LeakageError where fewer gold spans are fully masked than `deidentify.min_full_recall` asks for."""
    if "full_recall" in metrics and metrics["full_recall"] < least:
        raise LeakageError(
            f"{metrics['full_recall']:.4f} of {metrics['gold_spans']} gold spans are fully masked, expected "
            f"{least} (deidentify.min_full_recall): by type {metrics['full_recall_by_type']}. "
            "Nothing was written: improve dxtune.deid, or lower deidentify.min_full_recall"
        )
