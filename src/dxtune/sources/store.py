"""data/raw, piece by piece: each piece of the source becomes a shard there, and stays where it was made before.

Raw records are PHI, so nothing of them goes to the cache of shards: what is finished is reused in place. `pieces.json` says of
each shard from which piece and by which code it was made; a killed run leaves the same in a journal.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dxtune import records
from dxtune.errors import DataError
from dxtune.shards import MANIFEST, write_json
from dxtune.shards.corpus import shard_name, to_parquet, write_manifest
from dxtune.shards.hashes import Hashes, hash_bytes
from dxtune.shards.progress import Progress
from dxtune.shards.workers import Job, call_all
from dxtune.sources.pieces import Piece

QUARANTINE = "quarantine"
KEPT, JOURNAL = "pieces.json", ".pieces.jsonl"
Made = dict[str, Any]
"""Of one piece: key; rows, records and quarantined (numbers of rows); hashes (of its two files)."""


@contextmanager
def private() -> Iterator[None]:
    """Folders are made with mode 700 and files with 600: PHI."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def write_pieces(
    pieces: Iterable[Piece], folder: Path, made_by: str, schema: records.Schema, workers: int, known: Hashes
) -> list[Made]:
    """What was made of each piece, in order, once `folder` and its folder `quarantine` hold their shards and nothing else.

    made_by: a hash of the code and the settings; a shard is reused where it, the piece's key and the hashes of the files are as
    they were (`known` remembers those). There is no manifest yet: `finish` writes it. Raises what a piece raises; DataError
    where records are not as `schema` says, or rows are lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for manifest in (folder / MANIFEST, folder / QUARANTINE / MANIFEST):
        manifest.unlink(missing_ok=True)
    kept = _kept(folder, made_by)
    done: dict[int, Made] = {}

    def jobs() -> Iterator[Job]:
        for number, piece in enumerate(pieces):
            made = kept.get(number)
            if made and made["key"] == piece.key and made["hashes"] == _hashes(folder, number, known):
                done[number] = made
                progress.skip(piece.rows)
            else:
                yield number, (number, piece)

    with Progress("collect") as progress, (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        for number, made in call_all(partial(_write, str(folder), dict(schema)), jobs(), workers):
            done[number] = made
            for path, found in zip(_files(folder, number), made["hashes"], strict=True):
                known.remember(path, found)
            journal.write(json.dumps({"made_by": made_by, "number": number, **made}) + "\n")
            journal.flush()
            progress.add(made["rows"])
    if not done:
        raise DataError("collect.path: expected at least one row, found none: check the files that it names")
    return [done[number] for number in range(len(done))]


def finish(made: list[Made], folder: Path, made_by: str) -> None:
    """Makes `folder` and its quarantine finished corpora: what is stale goes, the manifests are written last."""
    names = [shard_name(number) for number in range(len(made))]
    write_json({"made_by": made_by, "pieces": made}, folder / KEPT)
    for place in (folder, folder / QUARANTINE):
        for path in place.iterdir():
            if path.is_file() and path.name not in (*names, KEPT):
                path.unlink()
    for place, rows in ((folder / QUARANTINE, "quarantined"), (folder, "records")):
        write_manifest(dict(zip(names, (each[rows] for each in made), strict=True)), place)


def _kept(folder: Path, made_by: str) -> dict[int, Made]:
    """What the finished run and the killed ones after it left, by number of the piece."""
    kept: dict[int, Made] = {}
    try:
        before = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        if before["made_by"] == made_by:
            kept = dict(enumerate(before["pieces"]))
        for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines() if (folder / JOURNAL).is_file() else ():
            entry = json.loads(line)
            if entry.pop("made_by") == made_by:
                kept[entry.pop("number")] = entry
    except (OSError, ValueError, KeyError, TypeError):  # none, or the last line was cut off
        return kept
    return kept


def _write(folder: str, schema: Mapping[str, Any], number: int, piece: Piece) -> Made:
    """Reads one piece and writes its two shards."""
    batch = piece.read()
    if piece.rows != batch.records.height + batch.quarantine.height:
        raise DataError(
            f"expected {piece.rows} rows in, found {batch.records.height} records and {batch.quarantine.height} in quarantine: "
            "report this bug"
        )
    records.check(batch.records, schema, "data/raw")
    records.check(batch.quarantine, records.QUARANTINE, "data/raw/quarantine", records.QUARANTINE_FILLED)
    files = [to_parquet(frame) for frame in batch]
    with private():
        for data, path in zip(files, _files(Path(folder), number), strict=True):
            path.parent.mkdir(exist_ok=True)
            aside = path.with_name(f".{path.name}.{os.getpid()}")  # a worker of a killed run may be at the same piece
            aside.write_bytes(data)
            aside.replace(path)
    return {
        "key": piece.key,
        "rows": piece.rows,
        "records": batch.records.height,
        "quarantined": batch.quarantine.height,
        "hashes": [hash_bytes(data) for data in files],
    }


def _files(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / shard_name(number), folder / QUARANTINE / shard_name(number)


def _hashes(folder: Path, number: int, known: Hashes) -> list[str] | None:
    """The hashes of the two files of a piece, None where one is missing."""
    try:
        return [known.of(path) for path in _files(folder, number)]
    except FileNotFoundError:
        return None
