"""Clean the de-identified notes, remove duplicates, map labels, and split by patient.

    dxtune preprocess

Shard by shard: clean and measure. All at once, on a narrow frame without texts: decide. Shard by shard again: write.
Rows in = notes in the three splits + quarantined + duplicates.
"""

import shutil
import sys
from functools import partial
from importlib.metadata import version
from typing import Any

import polars as pl

from dxtune import records, shards
from dxtune.corpus import boilerplate, narrow, parts, review
from dxtune.corpus.decide import decide
from dxtune.corpus.label_errors import find_label_errors
from dxtune.corpus.profile import count_labels, describe, exclusions, table_one
from dxtune.errors import DataError
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths


def run(params: Params, paths: Paths) -> None:
    """Writes data/processed, data/quality and the metrics. Raises DataError or LeakageError where the splits are not sound."""
    settings, subgroups = params.preprocess, params.collect.subgroup_columns
    work = paths.cache / "preprocess"
    by_shard = partial(
        shards.map_shards,
        stage="preprocess",
        settings={package: version(package) for package in ("polars", "ftfy", "rensa")},
        data=params.data,
        cache_folder=paths.shard_cache,
    )
    rows = shards.count_rows(paths.deidentified)

    schema = {**records.deidentified(params.task), **dict.fromkeys(subgroups, pl.String)}
    counts = [facts["lines"] for facts in by_shard(narrow.count_boilerplate, paths.deidentified, {}, schema=schema)]
    lines = boilerplate.find_boilerplate(counts, rows)
    prepare = partial(narrow.prepare, lines, settings.drop_sections, settings.min_characters, params.task, subgroups)
    by_shard(prepare, paths.deidentified, {name: work / name for name in narrow.TABLES})

    read = shards.shards_of(paths.deidentified)
    short = parts.read_quarantine(work / "quarantine", read)
    clusters = parts.read_clusters(
        work / "narrow", work / "signatures", params.data.workers
    )  # before the rest: most of the memory
    decisions = decide(parts.read_narrow(work / "narrow").with_columns(clusters), settings)
    notes, labels = decisions.notes, decisions.labels
    quarantine = pl.concat([short, parts.quarantine_unplaced(decisions.unplaced, read)])
    if rows != (rows_out := notes.height + quarantine.height + decisions.dropped.height):
        raise DataError(f"expected {rows} rows out (splits, quarantined, duplicates), found {rows_out}: report this bug")
    metrics: dict[str, Any] = {"rows": rows, "quarantined": quarantine.height, "boilerplate_lines": len(lines)}
    metrics |= decisions.facts | {split: describe(notes.filter(split=split)) for split in SPLITS}
    metrics["labels"] = count_labels(notes, decisions.facts["labels"])
    texts = review.read_sample(notes, work)
    metrics |= review.measure_drift(notes, texts, decisions.facts["labels"])

    shutil.rmtree(paths.quality, ignore_errors=True)
    leaks, leaked = review.find_leaks(texts["train"])
    shards.write_parquet(leaks, paths.quality / "label_leaks.parquet")
    review.check_leaks(leaks, leaked, settings.max_leaked_share)
    shards.write_parquet(decisions.dropped, paths.quality / "duplicates.parquet")
    if settings.find_label_errors:
        shards.write_parquet(find_label_errors(texts["train"]), paths.quality / "label_errors.parquet")

    parts.write_beside(parts.number_labels(notes, labels, params.task), notes["shard"], work / "notes", work / "decided")
    columns = parts.written_columns(work / "notes", records.processed(params.task), subgroups)
    shutil.rmtree(paths.processed, ignore_errors=True)
    targets = {split: paths.processed / split for split in SPLITS}
    by_shard(partial(parts.divide_shard, columns), [work / "notes", work / "decided"], targets)
    shards.write_parquet(quarantine.drop("patient_id"), paths.processed / "quarantine.parquet")
    shards.write_json(labels, paths.processed / "labels.json")
    cleaning = {"boilerplate": lines, "drop_sections": settings.drop_sections}  # goes with the model: it asks for the same
    shards.write_json(cleaning, paths.processed / "cleaning.json")
    metrics |= {"label_leaks": leaks.height, "leaked_share": leaked}
    shards.write_json(metrics, paths.metrics / "preprocess.json")
    patients = pl.concat(
        [shards.read_columns(work / "narrow", ["note_id", "patient_id"]), short.select("note_id", "patient_id")]
    )
    proof = ", ".join(
        f"{metrics[f'shared_{name}']} {name.replace('_', ' ')}" for name in ("patients", "texts", "near_duplicates")
    )
    print(f"preprocess: shared between splits: {proof}", file=sys.stderr)  # noqa: T201
    shards.write_text(table_one(notes, subgroups).write_csv(), paths.metrics / "plots/participants.csv")
    shards.write_text(exclusions(quarantine, decisions.dropped, patients).write_csv(), paths.metrics / "plots/exclusions.csv")
    shutil.rmtree(work)
