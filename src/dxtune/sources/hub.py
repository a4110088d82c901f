"""Records from a dataset of the Hugging Face Hub, or from a folder in the same layout.

    collect: {source: hub, hub_name: owner/name, hub_revision: <40 hex digits>, text_column: text, label_column: label}
    collect: {source: hub, path: data/my_dataset, label_column: diagnosis}

Rows are streamed, and `datasets` is given no cache: what it reads is PHI, and it would copy it to the home folder. Columns
are named as for the table source; ids of a ClassLabel become its names. The dataset's splits are those of the records.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from dxtune.errors import DataError
from dxtune.params import SPLITS, Collect
from dxtune.sources import table
from dxtune.sources.pieces import Chunk, Piece, Place
from dxtune.sources.table_files import File
from dxtune.sources.table_open import Opened, ParquetRows, check_columns
from dxtune.sources.table_rows import SPLIT_NAMES, columns

BUILDERS = ("parquet", "csv", "json")  # a builder of another kind may run code, unpickle, or has no columns
NO_CACHE = "memory://no-cache"  # not a folder, so `datasets` makes none and locks nothing
BATCH_ROWS = 1024


def pieces(settings: Collect, task: str) -> Iterator[Piece]:
    """The rows of the dataset, split after split, ROWS_PER_SHARD a piece.

    Raises DataError where there is no such dataset, split or column, or where it needs code of its own.
    """
    wanted = columns(settings, task)
    builder = _builder(settings)
    splits = _splits(builder, settings)
    return table.cut((_open(builder, name, split, wanted) for name, split in splits), settings, task)


def facts(settings: Collect) -> dict[str, float | int | str]:
    """What the data card says of the source: revision or hashes of the files, configuration, splits, licence."""
    builder = _builder(settings)
    splits = _splits(builder, settings)
    about: dict[str, float | int | str] = {
        "config": builder.config.name,
        "splits": ", ".join(name for name, _ in splits),
        "licence": _licence(_card(settings)),
    }
    if settings.hub_name is not None:
        return {**about, "dataset": settings.hub_name, "revision": str(settings.hub_revision)}
    hashes = []
    for name, _ in splits:
        for path in builder.config.data_files[name]:
            with Path(path).open("rb") as stream:
                hashes.append(hashlib.file_digest(stream, "sha256").hexdigest())
    one = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return {**about, "files": len(hashes), "sha256": one}


# ---- the dataset ----


def _builder(settings: Collect) -> Any:
    """The builder of the dataset: which files make which split. Nothing is read yet, and no code of the dataset is run."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from datasets import load_dataset_builder

    where = _where(settings)
    source = settings.hub_name or str(Path(settings.path).resolve())
    revision = settings.hub_revision if settings.hub_name else None
    try:
        builder = load_dataset_builder(source, name=settings.hub_config, revision=revision, cache_dir=NO_CACHE)
    except Exception as error:  # of many kinds, and its message may hold paths
        raise _explained(error, where, settings) from None
    kind = type(builder).__module__.split(".")[-1]
    if kind not in BUILDERS:
        raise DataError(
            f"{where}: expected {', '.join(BUILDERS)} files, found a dataset of the kind {kind}: convert it to parquet, or set "
            "collect.hub_config to a configuration of such files"
        )
    inside = f"hf://datasets/{settings.hub_name}@{settings.hub_revision}/" if settings.hub_name else f"{source}{os.sep}"
    for files in builder.config.data_files.values():
        for file in files:
            if not (file.startswith(inside) if settings.hub_name else os.path.realpath(file).startswith(inside)):
                raise DataError(
                    f"{where}: expected all files in the dataset at its revision, found one that is elsewhere: copy it there, "
                    "and correct data_files in README.md"
                )
    return builder


def _where(settings: Collect) -> str:
    """What messages call the dataset, once it is known to be there if it is a folder."""
    if settings.hub_name is not None:
        return f"collect.hub_name = {settings.hub_name}"
    folder = Path(settings.path)
    where = f"collect.path = {settings.path!r}"
    if not folder.is_dir():
        raise DataError(f"{where}: expected a folder in the layout of the Hub, found none: correct it, or set collect.hub_name")
    if scripts := sorted(path.name for path in folder.glob("*.py")):
        raise DataError(
            f"{where}: expected data files only, found the loading script {scripts[0]}: code of a dataset is never run. "
            "Convert the dataset to parquet (Dataset.to_parquet) where you trust the script, and take it out of the folder"
        )
    return where


def _explained(error: Exception, where: str, settings: Collect) -> DataError:
    name = type(error).__name__
    if "scripts are no longer supported" in str(error):
        return DataError(
            f"{where}: expected data files only, found a loading script: code of a dataset is never run. Set hub_revision to a "
            "commit of its branch refs/convert/parquet, if the Hub has one"
        )
    if name == "RevisionNotFoundError" or "Revision" in str(error):
        return DataError(f"{where}: expected the commit {settings.hub_revision}, found none: correct collect.hub_revision")
    if "BuilderConfig" in str(error) or "Config name" in str(error):
        return DataError(
            f"{where}: expected the configuration {settings.hub_config!r}, found none of that name, or several to choose from: "
            "set collect.hub_config to one that README.md names"
        )
    if settings.hub_name is None:
        return DataError(
            f"{where}: expected data files such as data/train-00000-of-00001.parquet or train.jsonl, found none that can "
            f"be used ({name}): put them there, or name them under configs in README.md"
        )
    return DataError(f"{where}: could not be found or fetched ({name}): check the name, the revision, and the network")


def _splits(builder: Any, settings: Collect) -> list[tuple[str, str | None]]:
    """The dataset's splits that are read, and what each is for us: train, validation, test, or not known."""
    found = [str(name) for name in builder.config.data_files]
    if not settings.splits:
        return [(name, SPLIT_NAMES.get(name.lower())) for name in found]
    named = {str(ours): theirs for ours, theirs in settings.splits.items()}
    for ours in SPLITS:
        if named[ours] not in found:
            raise DataError(
                f"collect.splits.{ours} = {named[ours]!r}: expected one of the dataset's splits, {', '.join(found)}: "
                "correct it in params.yaml"
            )
    return [(named[ours], ours) for ours in SPLITS]


# ---- its rows ----


def _open(builder: Any, name: str, split: str | None, wanted: dict[str, str]) -> Opened:
    """The rows of a split as the table source reads those of a parquet file, once it has the wanted columns."""
    file = File(Path(name), name, ".parquet", split, name)
    stream = _tables(builder, name)
    first = next(stream, None)
    if first is None:
        raise DataError(f"split {name}: expected at least one row, found none: take it out, or name others in collect.splits")
    found = first.column_names
    check_columns(file, found, [column for column in wanted if not {column, column.partition(".")[0]} & set(found)], wanted)
    tops = list(dict.fromkeys(column if column in found else column.partition(".")[0] for column in wanted))
    return file, Place(), _chunks(first, stream, tops, file)


def _tables(builder: Any, name: str) -> Iterator[pa.Table]:
    """The rows of a split, some at a time, with the names of ClassLabels in the place of their ids."""
    try:
        rows = builder.as_streaming_dataset(split=name)
        features = rows.features
        for part in rows.with_format("arrow").iter(batch_size=BATCH_ROWS):
            yield _named(part, features or {}, name)
    except DataError:
        raise
    except Exception as error:  # of many kinds, and its message may hold text
        raise DataError(
            f"split {name}: expected {', '.join(BUILDERS)} files that can be read, all with the same columns, found another or "
            f"a cut one ({type(error).__name__}): copy or export it again"
        ) from None


def _named(part: pa.Table, features: Any, split: str) -> pa.Table:
    """The table with names for ids, also in lists of ids. An id of -1 has no name: null."""
    from datasets import ClassLabel, List

    for name, feature in features.items():
        label = feature if isinstance(feature, ClassLabel) else getattr(feature, "feature", None)
        if not isinstance(label, ClassLabel) or not (isinstance(feature, ClassLabel | List)):
            continue
        names = [*label.names]

        def name_of(value: Any, names: list[str] = names) -> Any:
            if isinstance(value, list):
                return [name_of(item) for item in value]
            return names[value] if value is not None and value >= 0 else None

        try:
            made = [name_of(value) for value in part[name].to_pylist()]
        except IndexError:
            raise DataError(
                f"split {split}, column {name!r}: expected ids below {len(names)}, found a higher one: correct the names of "
                "the ClassLabel in README.md"
            ) from None
        kind = pa.string() if isinstance(feature, ClassLabel) else pa.list_(pa.string())
        part = part.set_column(part.column_names.index(name), name, pa.array(made, kind))
    return part


def _chunks(first: pa.Table, rest: Iterator[pa.Table], tops: list[str], file: File) -> Iterator[Chunk]:
    for part in (table_ for tables in ([first], rest) for table_ in tables):
        if absent := [name for name in tops if name not in part.column_names]:
            raise DataError(f"split {file.name}: expected the column {absent[0]!r} in all of its files, found one without it")
        for batch in part.select(tops).combine_chunks().to_batches():
            yield ParquetRows(batch.replace_schema_metadata(None))


# ---- its card ----


def _card(settings: Collect) -> str:
    """README.md, empty where there is none. Nothing is kept on disk."""
    if settings.hub_name is None:
        path = Path(settings.path) / "README.md"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    from huggingface_hub import HfFileSystem

    try:
        return str(HfFileSystem().read_text(f"datasets/{settings.hub_name}@{settings.hub_revision}/README.md"))
    except Exception:  # the data could be fetched, so the card is absent or cannot be read
        return ""


def _licence(card: str) -> str:
    """The licence that a dataset card names.

    >>> _licence("---\\nlicense: cc-by-4.0\\n---\\n# Notes"), _licence("---\\nlicense: [mit, other]\\n---"), _licence("# Notes")
    ('cc-by-4.0', 'mit, other', 'unknown')
    """
    from huggingface_hub import DatasetCard

    try:
        named = DatasetCard(card, ignore_metadata_errors=True).data.get("license")
    except Exception:  # not YAML
        named = None
    words = ", ".join(map(str, named)) if isinstance(named, list) else str(named or "")
    return words if re.fullmatch(r"[\w.,+ -]{1,100}", words) else "unknown"
