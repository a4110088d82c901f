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

import polars as pl

from dxtune import records
from dxtune.code import versions
from dxtune.deid import audit, key
from dxtune.deid.carried import NAMES
from dxtune.deid.exchange import read_patients, spread_late, write_answers
from dxtune.deid.shard import How, carry_shard, find_shard, make_engine, replace_shard
from dxtune.errors import LeakageError
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.shards import assemble, iter_shards, map_shards, shards_of, write_json, write_parquet
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
    found = {name: work / name for name in ("audit", "names", "late", "asked", "patients")}
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
    patients = read_patients(work)
    write_answers(work, patients, work / "answers", run_map["cache_folder"])
    answered, first = shards_of(work / "answers"), dict(iter_shards(work / "late"))
    before, spread = dict.fromkeys(patients, pl.DataFrame(schema=NAMES)), spread_late(patients, first)
    places, carried, again = dict.fromkeys(patients, work), [], any(answered.values())
    while again or not all(spread[name].equals(before[name]) for name in patients):
        again, before, turn = False, spread, work / "carried"
        some = [name for name in patients if answered[name] or spread[name].height]
        shutil.rmtree(turn, ignore_errors=True)
        for name in some:
            write_parquet(spread[name], turn / "spread" / name)
        write_manifest({name: spread[name].height for name in some}, turn / "spread")
        sources = [raw, *(work / name for name in ("audit", "late", "answers")), turn / "spread"]
        targets = {name: turn / name for name in ("audit", "late")}
        carried = map_shards(partial(carry_shard, how), sources, targets, only=some, **run_map)
        places = {name: turn if name in some else work for name in patients}
        spread = spread_late(patients, first | dict(iter_shards(turn / "late")))
    for shard in carried:
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
