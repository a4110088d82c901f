"""map_shards: a function over the shards of a corpus, each shard once.

The key of a shard is a hash of its bytes, of the function's code and arguments, of its settings, and of FORMAT.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dxtune import code
from dxtune.errors import DataError
from dxtune.params import Data
from dxtune.records import Schema, check
from dxtune.shards import cache, workers
from dxtune.shards.corpus import assemble, join, read_shard, shards_of, to_parquet
from dxtune.shards.hashes import Hashes
from dxtune.shards.progress import Progress
from dxtune.shards.result import Result

FORMAT = 1
"""Of the shards in the cache: another number, and none of the old ones counts."""
GB = 1 << 30


def map_shards(  # noqa: PLR0913 (by name, all but three)
    fn: Callable[..., Result],
    source: Path | str | Sequence[Path | str],
    targets: Mapping[str, Path],
    *,
    stage: str,
    settings: Mapping[str, object],
    data: Data,
    cache_folder: Path,
    only: Collection[str] | None = None,
    schema: Schema | None = None,
) -> list[dict[str, Any]]:
    """The facts of each shard of `source`, in its order, once `targets` hold what `fn` made of them.

    fn: a module-level function, or a functools.partial of one, from a shard's frame to a Result; where `source` is several
    corpora with shards of the same names, from a frame of each. What it returns must depend on them, its code, its arguments
    and `settings` alone (`versions` of packages other than polars and pyarrow belong there): a shard that was made before, in
    whatever run, is not made again. It must not return PHI: that is kept in `cache_folder`/<stage>/ (Paths.shard_cache).
    source: folders, or fsspec URLs of folders. targets: of each table the corpus that it goes to, written when all shards are
    done; tables that are not named there are kept in the cache alone. only: names of shards, if not all. schema: what each
    shard of the first source must have (records.check), looked at before it is given to fn.
    Raises DataError where it has not, and what fn raises; then the targets are as they were, and what is finished is kept.
    """
    sources = [source] if isinstance(source, Path | str) else list(source)
    rows = [shards_of(each) for each in sources]
    names = [name for name in rows[0] if only is None or name in only]
    for each, its in zip(sources, rows, strict=True):
        if lacking := [name for name in names if name not in its]:
            raise DataError(f"{each}: expected the shards of {sources[0]}, {lacking[0]} is missing: run dvc repro again")
    writers = code.versions("polars", "pyarrow")
    fixed = code.digest([FORMAT, writers, code.fingerprint(fn), code.canonical(settings)])
    hashes = Hashes(cache_folder)
    keys = {name: code.digest([fixed, *(hashes.of(join(each, name)) for each in sources)]) for name in names}
    done = {name: entry for name in names if (entry := cache.find(cache_folder / stage / keys[name], hashes))}

    jobs = [
        (number, ([(_absolute(each), name, its[name]) for each, its in zip(sources, rows, strict=True)],))
        for number, name in enumerate(names)
        if name not in done
    ]
    with Progress(stage, sum(rows[0][name] for name in names)) as progress:
        progress.skip(sum(rows[0][name] for name in done))
        for number, (tables, facts) in _call(partial(_make, fn, dict(schema or {})), jobs, data):
            name = names[number]
            done[name] = cache.keep(cache_folder / stage / keys[name], tables, facts, hashes)
            progress.add(rows[0][name])
    for table, target in targets.items():
        files = {name: done[name].files[table] for name in names}
        assemble(files, {name: done[name].rows[table] for name in names}, target)
    hashes.save()
    cache.evict(cache_folder, int(data.cache_gb * GB))
    return [done[name].facts for name in names]


def _absolute(folder: Path | str) -> str:
    """The folder as a worker on another machine, with the same disk, finds it."""
    return str(folder) if "://" in str(folder) else str(Path(folder).absolute())


def _call(fn: Callable[..., Any], jobs: Iterable[workers.Job], data: Data) -> Iterator[tuple[int, Any]]:
    jobs = list(jobs)
    if data.engine == "ray" and jobs:
        return workers.call_all_on_ray(fn, jobs, data.workers, data.ray_address)
    return workers.call_all(fn, jobs, data.workers)


def _make(
    fn: Callable[..., Result], schema: Schema, shards: Sequence[tuple[str, str, int]]
) -> tuple[dict[str, tuple[bytes, int]], dict[str, Any]]:
    """The tables of one shard as parquet files with their rows, and its facts as JSON gives them back."""
    frames = [read_shard(*shard) for shard in shards]
    check(frames[0], schema, join(*shards[0][:2]))
    result = fn(*frames)
    facts: dict[str, Any] = json.loads(json.dumps(result.facts, allow_nan=False))
    return {name: (to_parquet(table), table.height) for name, table in result.tables.items()}, facts
