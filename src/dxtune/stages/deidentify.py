"""Remove protected health information: nothing before this stage's output ever leaves the machine.

    dxtune deidentify

Safe Harbor, 45 CFR 164.514(b)(2). Reads data/raw; writes data/deidentified, the audit table and metrics/deidentify.json.
Shard by shard: what to mask; then, where a patient's notes stand in several shards, the names of the others; then the texts.
"""

import hashlib
import shutil
from collections import Counter
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dxtune import records
from dxtune.deid import audit, key
from dxtune.deid.carried import add_late, answer
from dxtune.deid.shard import How, carry_shard, find_shard, make_engine, replace_shard
from dxtune.errors import LeakageError
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.shards import assemble, map_shards, read_shard, shards_of, versions, write_json, write_parquet
from dxtune.shards.corpus import write_manifest


def run(params: Params, paths: Paths) -> None:
    """Writes the corpus without identifiers, and what was masked; raises LeakageError where something is left."""
    settings, work = params.deidentify, paths.cache / "deidentify"
    public = params.collect.source == "synthetic" or settings.key == "public"
    secret = key.public_key() if public else key.recorded_key(paths.root)
    vote = (settings.vote, settings.vote_model, settings.vote_revision, str(paths.root))
    columns = (params.collect.identifier_columns, params.collect.subgroup_columns)
    how = How(secret, settings.style, settings.dates, *vote, *columns, params.task)
    run_map: dict[str, Any] = {"data": params.data, "cache_folder": paths.shard_cache}
    run_map |= {"stage": "deidentify", "settings": made_with(how)}

    shutil.rmtree(work, ignore_errors=True)
    found = {name: work / name for name in ("audit", "names", "asked")}
    schema = {**records.columns(params.task), **dict.fromkeys((*columns[0], *columns[1]), pl.String)}
    facts = map_shards(partial(find_shard, how), paths.raw, found, schema=schema, **run_map)
    counts = Counter[str]()
    for shard in facts:
        counts.update(shard["counts"])
    places = carry(how, paths.raw, work, run_map, counts, facts)
    metrics = {"key_fingerprint": make_engine(how).key_fingerprint, **audit.versions(), **audit.summary(counts)}
    check_recall(metrics, settings.min_full_recall)

    rows = {name: shards_of(place / "audit")[name] for name, place in places.items()}
    assemble({name: place / "audit" / name for name, place in places.items()}, rows, work / "all")
    taken = frozenset(word for shard in facts for word in shard["taken"])
    map_shards(partial(replace_shard, how, taken), [paths.raw, work / "all"], {"records": paths.deidentified}, **run_map)
    assemble({name: work / "all" / name for name in rows}, rows, paths.audit)
    write_json(metrics, paths.metrics / "deidentify.json")
    shutil.rmtree(work)


def carry(
    how: How, raw: Path, work: Path, run_map: dict[str, Any], counts: Counter[str], facts: list[dict[str, Any]]
) -> dict[str, Path]:
    """Where the final tables of each shard are, once the names of patients are carried between shards; adds to the facts.

    A look at notes with names from elsewhere can find more of them (rarely): until there is nothing new.
    """
    engine, rows = make_engine(how), shards_of(raw)
    places = dict.fromkeys(rows, work)
    before: dict[str, pl.DataFrame] = {}

    def read(table: str, name: str) -> pl.DataFrame:
        return read_shard(places[name] / table, name, shards_of(places[name] / table)[name])

    ids = {name: read_shard(raw, name, rows[name], ["patient_id"])["patient_id"].unique() for name in rows}
    patients = {name: np.array([engine.patient_tag(value) for value in ids[name]], np.uint64) for name in rows}
    answers = answer(list(rows), patients, partial(read, "names"), partial(read, "asked"))
    while True:
        foreign = add_late(answers, patients, {name: read("names", name).filter(pl.col("look") > 0) for name in rows})
        if foreign.keys() == before.keys() and all(foreign[name].equals(before[name]) for name in foreign):
            break
        before, turn = foreign, work / "carried"
        shutil.rmtree(turn, ignore_errors=True)
        for name, frame in foreign.items():
            write_parquet(frame, turn / "foreign" / name)
        write_manifest({name: frame.height for name, frame in foreign.items()}, turn / "foreign")
        sources = [raw, work / "audit", work / "names", turn / "foreign"]
        targets = {"audit": turn / "audit", "names": turn / "names"}
        carried = map_shards(partial(carry_shard, how), sources, targets, only=foreign, **run_map)
        places = {name: turn if name in foreign else work for name in rows}
    for shard in carried if before else ():
        counts.update(shard["after"])
        counts.subtract(shard["before"])
        facts.append(shard)
    return places


def made_with(how: How) -> dict[str, str]:
    """The versions of what finds identifiers; of a voter, its package's version or the hashes of its folder's files."""
    made = versions("numpy", "google-re2")
    if how.vote != "none":
        made |= versions("spacy") if how.vote == "spacy" else versions("transformers", "torch")
        with suppress(PackageNotFoundError):
            made |= versions(how.vote_model or "none")
        folder = Path(how.root) / Path(how.vote_model or "").expanduser()
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if file.is_file():
                made[str(file.relative_to(folder))] = hashlib.blake2b(file.read_bytes()).hexdigest()
    return made


def check_recall(metrics: dict[str, Any], least: float) -> None:
    """Raises LeakageError where fewer gold spans are fully masked than `deidentify.min_full_recall` asks for."""
    if "full_recall" in metrics and metrics["full_recall"] < least:
        raise LeakageError(
            f"{metrics['full_recall']:.4f} of {metrics['gold_spans']} gold spans are fully masked, expected "
            f"{least} (deidentify.min_full_recall): by type {metrics['full_recall_by_type']}. "
            "Nothing was written: improve dxtune.deid, or lower deidentify.min_full_recall"
        )
