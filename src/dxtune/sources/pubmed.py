"""Records from PubMed: XML of the baseline and its updates (.xml, .xml.gz), and MEDLINE text (.txt, .nbib).

    collect: {source: pubmed, path: data/pubmed, pubmed_labels: publication_types, pubmed_classes: [Review, Case Reports]}

A record is title and abstract, its label a publication type or its labels MeSH headings. Every abstract is a patient of its
own. Of a citation that stands in several files the highest version is used, of that the last, and none that PubMed deleted.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from dxtune import records
from dxtune.errors import DataError
from dxtune.params import Collect
from dxtune.shards import ROWS_PER_SHARD
from dxtune.sources import pubmed_rows, table
from dxtune.sources.pieces import Batch, Piece, Segment, pack
from dxtune.sources.pubmed_parse import Article, from_medline, from_xml
from dxtune.sources.pubmed_rows import MEDLINE, Deleted, medline_ends, xml_ends
from dxtune.sources.table_files import File, find

DELETED, SUPERSEDED = (records.LEFT_OUT + reason for reason in ("deleted from PubMed", "another version is used"))


class Row(NamedTuple):
    """A citation as the source has it, or the reason why it cannot be used."""

    file: File
    number: int
    article: Article | str


def pieces(settings: Collect, task: str) -> Iterator[Piece]:
    """The citations of all files, in order of the files' names, ROWS_PER_SHARD a piece.

    The files are read twice (which citation is the last version?), and a third time where the most frequent classes are
    asked for. Raises DataError, naming file and line, where a file is not of PubMed, is cut or broken.
    """
    files = find(settings, pubmed_rows.FORMATS)
    dropped = _dropped(files)
    classes = _classes(files, dropped, settings)
    for segments in pack((pubmed_rows.open_file(file) for file in files), ROWS_PER_SHARD):
        here = [_reasons(dropped, files, segment) for segment in segments]
        digest = hashlib.blake2b(f"{table.key(segments)} {here} {classes}".encode(), digest_size=32)
        rows = sum(segment.rows for segment in segments)
        yield Piece(digest.hexdigest(), rows, partial(read, segments, here, classes, settings, task))


def read(
    segments: list[Segment[File]], dropped: list[dict[int, str]], classes: tuple[str, ...], settings: Collect, task: str
) -> Batch:
    """Records and quarantine of a piece. `dropped`: of each segment, rows that are not used, and why."""
    kept: list[dict[str, Any]] = []
    unusable: list[tuple[str, int, str, str]] = []
    for segment, reasons in zip(segments, dropped, strict=True):
        for file, number, article in _rows(segment, reasons):
            found = article if isinstance(article, str) else _record(article, classes, settings, task)
            if isinstance(found, str):
                unusable.append((file.name, number, f"{file.prefix}-{number}", found))
            else:
                kept.append(found | {"split": file.split})
    schema = {**records.columns(task), **dict.fromkeys(settings.subgroup_columns, pl.String)}
    return Batch(
        pl.DataFrame(kept, schema=schema, orient="row"), pl.DataFrame(unusable, schema=records.QUARANTINE, orient="row")
    )


def facts(settings: Collect) -> dict[str, float | int | str]:
    """What the data card says of the source: files and their hashes, citations, deletions, first and last year, licence."""
    files = find(settings, pubmed_rows.FORMATS)
    rows = deletions = 0
    years: set[int] = set()
    for file in files:
        for part in pubmed_rows.scan(file)[2]:
            if isinstance(part, Deleted):
                deletions += len(part.citations)
                continue
            rows += part.height
            years |= pubmed_rows.years(part.data, file.format)
    span = {"first_year": min(years), "last_year": max(years)} if years else {}
    licence = "NLM terms and conditions; abstracts may be under copyright"
    return {**table.describe(files), "rows": rows, "deleted_citations": deletions, **span, "licence": licence}


# ---- which citations are used ----


def _dropped(files: list[File]) -> pl.DataFrame:
    """The rows (file, as a position in `files`; row; reason) of citations that come again, or that PubMed deleted."""
    pmids, versions, places, numbers = array("q"), array("i"), array("i"), array("q")  # 24 bytes a citation
    for place, file in enumerate(files):
        row = 0
        for part in pubmed_rows.scan(file)[2]:
            found = part.citations if isinstance(part, Deleted) else _citations(part, file)
            for citation in found:
                row += 1
                if citation is not None:  # read() puts what has no number into quarantine
                    pmids.append(citation.pmid)
                    versions.append(citation.version)
                    places.append(place)
                    numbers.append(0 if isinstance(part, Deleted) else row)
    if not any(numbers):
        raise DataError("collect.path: expected citations of PubMed, found none in its files: download them again")
    return _losers(pl.DataFrame({"pmid": pmids, "version": versions, "file": places, "row": numbers}))


def _citations(rows: Any, file: File) -> Iterator[pubmed_rows.Citation | None]:
    start = 0
    for end in rows.ends:
        yield pubmed_rows.citation(rows.data, start, file.format)
        start = int(end)


def _losers(events: pl.DataFrame) -> pl.DataFrame:
    """The rows that are not used, of citations and deletions (row 0) in the order in which PubMed published them.

    >>> events = {"pmid": [1, 2, 1, 3, 3], "version": [1] * 5, "file": [0, 0, 1, 0, 1], "row": [1, 2, 1, 3, 0]}
    >>> _losers(pl.DataFrame(events)).rows()
    [(0, 1, 'left out: another version is used'), (0, 3, 'left out: deleted from PubMed')]
    """
    again = events.filter(pl.col("pmid").is_duplicated()).with_row_index("at")
    last = pl.col("at") == pl.col("at").max().over("pmid", "version")
    again = again.with_columns(last.alias("last"), (pl.col("row") == 0).alias("gone"))
    again = again.with_columns(pl.col("gone").filter(pl.col("last")).first().over("pmid", "version").alias("deleted"))
    lives = pl.col("last") & ~pl.col("gone")
    newest = pl.col("version") == pl.col("version").filter(lives).max().over("pmid")
    reason = pl.when("deleted").then(pl.lit(DELETED)).when(~(lives & newest)).then(pl.lit(SUPERSEDED))
    return (
        again.with_columns(reason.alias("reason"))
        .filter(pl.col("row") > 0, pl.col("reason").is_not_null())
        .select("file", "row", "reason")
    )


def _reasons(dropped: pl.DataFrame, files: list[File], segment: Segment[File]) -> dict[int, str]:
    """Of a segment: the numbers of the rows that are not used, and why."""
    place = next(at for at, file in enumerate(files) if file.path == segment.file.path)
    first = segment.start.rows + 1
    here = dropped.filter(pl.col("file") == place, pl.col("row").is_between(first, first + segment.rows - 1))
    return dict(here.select("row", "reason").sort("row").iter_rows())


def _classes(files: list[File], dropped: pl.DataFrame, settings: Collect) -> tuple[str, ...]:
    """The classes that are asked for by name, or the most frequent ones (among equals the first by name)."""
    if not isinstance(settings.pubmed_classes, int):
        return settings.pubmed_classes
    counts: Counter[str] = Counter()
    for segments in pack((pubmed_rows.open_file(file) for file in files), ROWS_PER_SHARD):
        for segment in segments:
            for row in _rows(segment, _reasons(dropped, files, segment)):
                if isinstance(row.article, Article) and row.article.abstract:
                    counts.update(_headings(row.article, settings))
    if len(counts) < settings.pubmed_classes:
        raise DataError(
            f"collect.pubmed_classes = {settings.pubmed_classes}: expected so many different {settings.pubmed_labels}, found "
            f"{len(counts)}: lower it"
        )
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return tuple(sorted(ordered[: settings.pubmed_classes]))


# ---- citations ----


def _rows(segment: Segment[File], dropped: dict[int, str]) -> Iterator[Row]:
    """The citations of a segment; those that are not used are not parsed."""
    file, data = segment.file, segment.data
    medline = file.format in MEDLINE
    line, start = segment.start.lines + 1, 0
    ends = [*medline_ends(data), len(data)] if medline else xml_ends(data)
    for number, end in enumerate(ends, segment.start.rows + 1):
        part = data[start:end]
        if number in dropped:
            yield Row(file, number, dropped[number])
        elif medline:
            yield Row(file, number, _medline(file, part, line))
        else:
            yield Row(file, number, _same(from_xml(file, file.header[0], part, line), part, file))
        line, start = line + part.count(b"\n"), end


def _medline(file: File, data: bytes, line: int) -> Article | str:
    try:
        return _same(from_medline(data), data, file)
    except UnicodeDecodeError as error:
        at = line + data[: error.start].count(b"\n")
    raise DataError(
        f"{file.name}, line {at}: expected UTF-8, found a byte that is not: convert it; if it is WINDOWS-1252: "
        f"iconv -f WINDOWS-1252 -t UTF-8 {file.path.name} > utf8{file.format}"
    )


def _same(article: Article | str, data: bytes, file: File) -> Article | str:
    """The article, once its number is the one by which it was known before it was parsed."""
    known = pubmed_rows.citation(data, 0, file.format)
    if isinstance(article, Article) and (known is None or article.pmid != str(known.pmid)):
        return "missing PMID"
    return article


def _record(article: Article, classes: tuple[str, ...], settings: Collect, task: str) -> dict[str, Any] | str:
    """The record without its split, or the reason why there is none."""
    if not article.abstract:
        return "no abstract"
    headings = _headings(article, settings)
    if not headings:  # not indexed, or not yet: that is not the same as having none of the classes
        return f"no {settings.pubmed_labels.replace('_', ' ')}"
    found = sorted(set(headings) & set(classes))
    if task == "classification" and len(found) != 1:
        return records.LEFT_OUT + ("more than one class" if found else "none of the classes")
    text = f"{article.title}\n{article.abstract}".strip()
    if "\x00" in text:
        return "NUL byte"
    target = {"label": found[0]} if task == "classification" else {"labels": found}
    ids = {"note_id": article.pmid, "patient_id": article.pmid, "note_date": article.date or None}
    return {**ids, "text": text, **target, **{name: getattr(article, name) or None for name in settings.subgroup_columns}}


def _headings(article: Article, settings: Collect) -> list[str]:
    return article.mesh if settings.pubmed_labels == "mesh" else article.publication_types
