"""Looks for the identifiers of raw notes in whatever a run leaves or says: files of any kind, decoded, and its output."""

import gzip
import html
import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from tokenizers import Tokenizer

SHORTEST, SHORTEST_NUMBER = 5, 7
"""Marks that an identifier must have to be told from other text: a number of five digits stands in any table of figures."""
BETWEEN = re.compile(r"_|(?<!\d)/|/(?!\d)|[^\w/]+")


def plain(text: str) -> str:
    """The text in small letters, with one space for what stands between words, and one at each end; dates stay together.

    >>> plain("DIAZ, Rosa (555) 555-0101, 3/4/19")
    ' diaz rosa 555 555 0101 3/4/19 '
    """
    return " " + " ".join(BETWEEN.sub(" ", text.lower()).split()) + " "


class Identifiers:
    """What must stand nowhere: `values`, in plain form. `unfit` are those that other text could hold by chance."""

    def __init__(self, values: Iterable[str], other_text: str = "") -> None:
        said, other = {plain(value) for value in values}, plain(other_text)
        self.unfit = {value for value in said if not _is_long(value) or value in other}
        self.values = said - self.unfit
        self._by_word: dict[str, list[str]] = {}
        for value in self.values:
            self._by_word.setdefault(max(value.split(), key=len), []).append(value)

    def find(self, data: bytes, tokenizer: Tokenizer | None = None) -> set[str]:
        """Those that stand in some bytes, as they are or decoded."""
        found = set()
        for text in map(plain, readable(data, tokenizer)):
            for word in self._by_word.keys() & set(text.split()):
                found |= {value for value in self._by_word[word] if value in text}
        return found

    def search(self, files: Mapping[str, bytes], tokenizer: Tokenizer | None = None) -> dict[str, int]:
        """How many stand in each file that holds any: no value itself goes into the message of a test."""
        found = {name: len(self.find(data, tokenizer)) for name, data in files.items()}
        return {name: count for name, count in found.items() if count}


def _is_long(value: str) -> bool:
    marks = value.replace(" ", "")
    return len(marks) >= (SHORTEST_NUMBER if marks.isdigit() else SHORTEST)


def of_synthetic(raw: pl.DataFrame, other_text: str) -> Identifiers:
    """The gold spans of synthetic notes and the numbers of their patients. The rest of the notes is other text, too."""
    values, other = list(raw["patient_id"].unique()), [other_text]
    spans: list[dict[str, Any]]
    for text, spans in raw.select("text", "gold_spans").iter_rows():
        end = 0
        for span in sorted(spans, key=lambda span: span["start"]):
            values.append(text[span["start"] : span["end"]])
            other.append(text[end : span["start"]])
            end = span["end"]
        other.append(text[end:])
    return Identifiers(values, "\n".join(other))


def readable(data: bytes, tokenizer: Tokenizer | None = None) -> Iterator[str]:
    """What some bytes say: as text, and what is packed in them: parquet (token ids too), JSON, HTML, zip, gzip."""
    text = data.decode("utf-8", "replace")
    yield text
    if data.startswith(b"PAR1"):
        frame = pl.read_parquet(io.BytesIO(data))
        yield json.dumps(frame.to_dicts(), ensure_ascii=False, default=str).replace("\\n", "\n")
        if tokenizer and "input_ids" in frame.columns:
            decoded = "\n".join(tokenizer.decode_batch(frame["input_ids"].to_list()))
            yield re.sub(r"(?<=\d) / (?=\d)", "/", decoded)
    elif data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from readable(archive.read(name), tokenizer)
    elif data.startswith(b"\x1f\x8b"):
        yield from readable(gzip.decompress(data), tokenizer)
    else:
        if "\\" in text:  # JSON, or lines of it
            yield re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text).replace("\\n", "\n")
        if "&" in text:
            yield html.unescape(text)


def files_below(root: Path, but: Collection[str]) -> dict[str, bytes]:
    """The content of all files below a folder, by name, without some folders and files."""
    skipped = {root / name for name in but}
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and not skipped & {path, *path.parents}]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}
