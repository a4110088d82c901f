"""Shards ask each other for the names of their patients (carried). What was answered before is not asked again.

An answer depends on the words that its shard asks about, and on the names and patients of the shards that share a patient with
it: while these stay as they are it stands in the cache of shards, and no other shard's tables are read for it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from dxtune.code import digest, fingerprint, versions
from dxtune.deid.carried import NAMES, among, answer, neighbours
from dxtune.deid.tokens import Hashes as Tags
from dxtune.shards import assemble, cache, iter_shards, read_shard, shards_of
from dxtune.shards.corpus import to_parquet
from dxtune.shards.hashes import Hashes

STAGE = "deidentify-carried"
"""The name of its folder in the cache of shards."""


def read_patients(found: Path) -> dict[str, Tags]:
    """The tags of the patients of each shard, once each. found: holds the corpora of deid.shard.find_shard."""
    return {name: frame["patient"].to_numpy() for name, frame in iter_shards(found / "patients")}


def write_answers(found: Path, patients: Mapping[str, Tags], target: Path, cache_folder: Path) -> None:
    """Writes the corpus `target`: of each shard the names, at the first look, that it asks for and that others are sure of.

    Memory: 8 bytes a name of the shards that share patients with those which must be answered.
    """
    hashes, names = Hashes(cache_folder), list(patients)
    near = dict(zip(names, neighbours(list(patients.values())), strict=True))
    says = [[hashes.of(found / table / name) for table in ("patients", "names")] for name in names]
    made_by = [fingerprint(write_answers), versions("numpy", "polars", "pyarrow")]
    folders = {
        name: cache_folder
        / STAGE
        / digest([made_by, hashes.of(found / "asked" / name), *(says[number] for number in near[name])])
        for name in names
    }
    done = {name: entry for name in names if (entry := cache.find(folders[name], hashes))}
    missing = [name for name in names if name not in done]
    known = _sure(found / "names", [names[number] for number in sorted({n for name in missing for n in near[name]})], patients)
    rows = shards_of(found / "asked")
    for name in missing:
        table = answer(read_shard(found / "asked", name, rows[name]), known)
        done[name] = cache.keep(folders[name], {"names": (to_parquet(table), table.height)}, {}, hashes)
    assemble({name: done[name].files["names"] for name in names}, {name: done[name].rows["names"] for name in names}, target)
    hashes.save()


def _sure(folder: Path, names: Iterable[str], patients: Mapping[str, Tags]) -> Tags:
    """The tags, in ascending order, of the sure names in some shards of patients that have notes in several shards."""
    every, times = np.unique(np.concatenate([np.zeros(0, np.uint64), *patients.values()]), return_counts=True)
    several, rows, sure = every[times > 1], shards_of(folder), [np.zeros(0, np.uint64)]
    for name in names:
        frame = read_shard(folder, name, rows[name])
        sure.append(frame["tag"].to_numpy()[among(several, frame["patient"].to_numpy())])
    return np.sort(np.concatenate(sure))


def spread_late(patients: Mapping[str, Tags], late: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Of each shard the names, NAMES in order, that other shards found of its patients at a later look.

    late: NAMES of later looks, of each shard. They are few, and go to all notes of the patient.
    """
    every = pl.concat([pl.DataFrame(schema=NAMES), *late.values()]).unique().sort(*NAMES)
    owners = every["patient"].to_numpy()
    return {
        shard: every.filter(pl.Series(np.isin(owners, theirs), dtype=pl.Boolean)).join(
            late[shard], on=every.columns, how="anti", maintain_order="left"
        )
        for shard, theirs in patients.items()
    }
