"""Which files the table source reads."""

import difflib
import glob
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from dxtune.errors import DataError
from dxtune.params import SPLITS, Collect
from dxtune.sources import streams

FORMATS = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")


class File(NamedTuple):
    """A file to read, and what its rows have from it."""

    path: Path
    name: str  # relative to collect.path: the only name that leaves this source
    format: str
    split: str | None
    prefix: str  # of ids that are derived from file and row
    header: tuple[str, ...] = ()  # of a csv; of xml: the start tag of its root


def find(settings: Collect, formats: tuple[str, ...] = FORMATS) -> list[File]:
    """The files to read: sorted by name, split after split. Raises DataError where there is none, or one is not usable."""
    try:
        return _find(settings, formats)
    except OSError as error:  # such as a name that is too long, or a folder that may not be listed
        raise DataError(
            f"collect.path = {settings.path!r}: expected files that can be listed, found {error.strerror}: correct it, or "
            "collect.files, in params.yaml"
        ) from None


def _find(settings: Collect, formats: tuple[str, ...]) -> list[File]:
    path = Path(settings.path)
    patterns: list[tuple[str, str, str | None]] = [("collect.files", settings.files, None)]
    folder = path
    if settings.splits:
        patterns = [(f"collect.splits.{split}", settings.splits[split], split) for split in settings.splits]
        patterns.sort(key=lambda pattern: SPLITS.index(str(pattern[2])))
    elif path.is_file():
        folder, patterns = path.parent, [("collect.path", path.name, None)]
    elif not path.exists() and glob.has_magic(settings.path):
        folder = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        patterns = [("collect.path", path.relative_to(folder).as_posix(), None)]
    if not folder.is_dir():
        wanted = "the folder that collect.splits names files in" if settings.splits else "a file or a folder"
        raise DataError(f"collect.path = {settings.path!r}: expected {wanted}, found none there: correct it in params.yaml")
    found: dict[Path, tuple[str, str | None]] = {}
    for key, pattern, split in patterns:
        for file in _match(folder, pattern, key, formats):
            name = file.relative_to(folder).as_posix()
            _check(file, name, None if file == path else folder, formats)
            if file in found:
                both = f"{found[file][1]} and {split}"
                raise DataError(f"{name}: expected in one split, found in {both}: correct {key} or the other in params.yaml")
            found[file] = (name, split)
    stems = [streams.stem(file) for file in found]
    twice = {stem for stem, after in zip(sorted(stems), sorted(stems)[1:], strict=False) if stem == after}
    return [
        File(file, name, streams.kind(file)[0], split, name if stem in twice else stem)
        for (file, (name, split)), stem in zip(found.items(), stems, strict=True)
    ]


def _check(file: Path, name: str, folder: Path | None, formats: tuple[str, ...]) -> None:
    """Raises DataError for a file of another format, and for one that only a link brings into `folder`."""
    if not _usable(file, formats):
        ending = "".join(file.suffixes[-2:]) if file.suffix.lower() in streams.CODECS else file.suffix
        raise DataError(f"{name}: expected one of {_endings(formats)}, found {ending.lower()!r}: convert or unpack it")
    if folder and not file.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{name}: expected a file inside collect.path, which DVC watches, found a link to another place: copy the file "
            "there (dvc config cache.type copy, if DVC made the link)"
        )


def _match(folder: Path, pattern: str, key: str, formats: tuple[str, ...]) -> list[Path]:
    """The files in `folder` that a name or glob means; of a glob only those whose format is known."""
    if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts or "\x00" in pattern:
        raise DataError(f"{key} = {pattern!r}: expected a file name or glob inside collect.path, which DVC watches: correct it")
    if (folder / pattern).is_file():
        return [folder / pattern]
    try:
        found = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    except (ValueError, IndexError):  # such as a**b, and a single dot
        raise DataError(f"{key} = {pattern!r}: expected a glob such as *.csv or **/*.csv: correct it in params.yaml") from None
    if usable := [path for path in found if _usable(path, formats)]:
        return usable
    here = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    close = difflib.get_close_matches(pattern, here, n=1)
    raise DataError(
        f"{key} = {pattern!r}: expected at least one file ending in {_endings(formats)}, found "
        f"{f'{len(found)} with other endings' if found else 'no match'} among the folder's {len(here)} files: "
        + (f"did you mean {close[0]!r}?" if close else "correct the pattern or put the files there")
    )


def _usable(path: Path, formats: tuple[str, ...]) -> bool:
    """Parquet compresses its own columns: packed as a whole it cannot be read in parts."""
    kind, codec = streams.kind(path)
    return kind in formats and not (codec and kind == ".parquet")


def _endings(formats: tuple[str, ...]) -> str:
    behind = " or ".join(streams.CODECS)
    return f"{', '.join(formats)} (all but .parquet also with {behind} behind)"
