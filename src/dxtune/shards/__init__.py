"""A corpus on disk, and a function mapped over it: shard by shard, resumably, on one core, many, or a Ray cluster."""

from dxtune.files import read_json, write_json, write_text
from dxtune.shards.corpus import (
    MANIFEST,
    ROWS_PER_SHARD,
    assemble,
    count_rows,
    iter_shards,
    read_columns,
    read_corpus,
    read_shard,
    shards_of,
    write_corpus,
    write_parquet,
)
from dxtune.shards.mapping import map_shards
from dxtune.shards.result import Result

__all__ = [
    "MANIFEST",
    "ROWS_PER_SHARD",
    "Result",
    "assemble",
    "count_rows",
    "iter_shards",
    "map_shards",
    "read_columns",
    "read_corpus",
    "read_json",
    "read_shard",
    "shards_of",
    "write_corpus",
    "write_json",
    "write_parquet",
    "write_text",
]
