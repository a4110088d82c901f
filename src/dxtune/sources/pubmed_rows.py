"""Where the citations of PubMed files end, found in the bytes: nothing is parsed, and no DTD is read.

Each citation goes to the parser alone, in a root without a document type. So an entity can be declared nowhere that the
parser sees, and a file that declares one (`<!DOCTYPE ... [`) is refused besides.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from lxml import etree

from dxtune.errors import DataError
from dxtune.sources.pieces import Chunk, Place, Rows
from dxtune.sources.streams import blocks, without_bom
from dxtune.sources.table_files import File

XML, MEDLINE = (".xml",), (".txt", ".nbib", ".medline")
FORMATS = (*XML, *MEDLINE)
ROOT = "PubmedArticleSet"
ENDS = (b"</PubmedArticle>", b"</PubmedBookArticle>")
MAX_CITATION_BYTES = 1 << 24  # with all authors of a consortium a citation has about a tenth of it
MAX_PROLOG_BYTES = 1 << 16
VERSION = re.compile(rb'<PMID(?:\s+Version\s*=\s*["\'](\d{1,4})["\'])?\s*>\s*(\d{1,15})\s*</PMID>')
PMID = re.compile(rb"PMID- *(\d{1,15})(?!\d)")
YEAR = {
    **dict.fromkeys(XML, re.compile(rb"<PubDate>\s*<(?:Year|MedlineDate)>\s*(?:[A-Za-z-]+ )?((?:1[5-9]|20)\d\d)\b")),
    **dict.fromkeys(MEDLINE, re.compile(rb"(?m)^DP  - (?:[A-Za-z-]+ )?((?:1[5-9]|20)\d\d)\b")),
}
SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
PARSER = etree.XMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, **SAFE)
ENCODING = re.compile(rb"encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")


class Citation(NamedTuple):
    """A citation's number and the version of it; those that PubMed has changed since have the same ones."""

    pmid: int
    version: int


class Deleted(NamedTuple):
    """What the end of an update file says of citations: they are no longer in PubMed."""

    citations: list[Citation]


def open_file(file: File) -> tuple[File, Place, Iterator[Chunk]]:
    """The file (with the root's start tag), where its first citation stands, and its citations: as pieces.pack wants it.

    Raises DataError, naming file and line, where it is not what its ending says, here or when its turn comes.
    """
    file, start, parts = scan(file)
    return file, start, (part for part in parts if isinstance(part, Rows))


def scan(file: File) -> tuple[File, Place, Iterator[Rows | Deleted]]:
    """As `open_file`, with the deleted citations."""
    mark, stream = without_bom(blocks(file.path, file.name))
    head = b""
    for block in stream:
        head += block
        if len(head) >= MAX_PROLOG_BYTES:
            break
    if not head.strip():
        raise DataError(f"{file.name}: expected citations, found an empty file: replace it or take it out of collect.files")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head[:4]:
        raise _encoding(file, "UTF-16")
    if file.format in MEDLINE:
        first = len(head) - len(head.lstrip())
        if not head.startswith(b"PMID-", first):
            line = head[:first].count(b"\n") + 1
            raise DataError(
                f"{file.name}, line {line}: expected a line that begins with PMID-, found another: save "
                "the citations of PubMed in the format PubMed, or take the file out of collect.files"
            )
        return file, Place(offset=mark).behind(head[:first], 0), _medline_rows(file, head[first:], stream)
    end, tag = _prolog(file, head)
    start = Place(offset=mark).behind(head[:end], 0)
    if tag.endswith(b"/>"):
        return file, start, iter([])
    return file._replace(header=(tag.decode("utf-8"),)), start, _xml_rows(file, tag, start.lines + 1, head[end:], stream)


def citation(data: bytes, start: int, format: str) -> Citation | None:
    """The number of the citation whose bytes begin at `start`: its first PMID, as the DTD wants; None: it has none.

    >>> citation(b'<PubmedArticle><MedlineCitation><PMID Version="2">7</PMID>', 0, ".xml")
    Citation(pmid=7, version=2)
    >>> citation(b"PMID- 7\\nTI  - On asthma\\n", 0, ".nbib")
    Citation(pmid=7, version=1)
    """
    if format in MEDLINE:
        found = PMID.match(data, start)
        return Citation(int(found[1]), 1) if found else None
    at = data.find(b"<PMID", start)
    found = VERSION.match(data, at) if at >= 0 else None
    return Citation(int(found[2]), int(found[1] or 1)) if found else None


def xml_ends(data: bytes) -> list[int]:
    """Where citations end.

    >>> xml_ends(b"<PubmedArticle>...</PubmedArticle> <PubmedArticle>")
    [34]
    """
    ends = []
    at = data.find(b"</Pubmed")
    while at >= 0:
        if data.startswith(ENDS, at):
            ends.append(data.index(b">", at) + 1)
        at = data.find(b"</Pubmed", at + 1)
    return ends


def medline_ends(data: bytes) -> list[int]:
    """Where citations end: the next one begins there.

    >>> medline_ends(b"PMID- 1\\nTI  - a\\n\\nPMID- 2\\n")
    [17]
    """
    return [match.start() + 1 for match in re.finditer(rb"\nPMID-", data)]


def years(data: bytes, format: str) -> set[int]:
    """The years of publication that stand in the bytes.

    >>> years(b"<PubDate><Year>2019</Year></PubDate> <PubDate><MedlineDate>Spring 2003</MedlineDate>", ".xml") == {2019, 2003}
    True
    """
    return {int(year) for year in set(YEAR[format].findall(data))}


def parse_xml(file: File, tag: str, data: bytes, line: int) -> etree._Element:
    """The root with what stands in `data`, whose first line is `line`. Raises DataError where it is not well-formed.

    No entity is expanded, nothing is fetched, and the limits of libxml2 on depth and size hold. The message has the kind of
    error only: libxml2's own would quote the file.
    """
    try:
        return etree.fromstring(tag.encode() + data + f"</{ROOT}>".encode(), PARSER)
    except etree.XMLSyntaxError as error:
        last = error.error_log.last_error
        kind = last.type_name.removeprefix("ERR_").replace("_", " ").lower() if last is not None else "no element"
        at = line + (error.lineno or 1) - 1
    raise broken(file, at, f"found: {kind}")


def broken(file: File, line: int, found: str) -> DataError:
    """Says where the file is not as PubMed writes it."""
    return DataError(f"{file.name}, line {line}: expected the XML of PubMed in UTF-8, {found}: download or export it again")


def _prolog(file: File, head: bytes) -> tuple[int, bytes]:
    """Where the root's content begins, and the root's start tag."""
    at = 0
    head = head[:MAX_PROLOG_BYTES]
    while True:
        at += len(head[at:]) - len(head[at:].lstrip())
        line = head[:at].count(b"\n") + 1
        closing = next((close for begin, close in MARKUP if head.startswith(begin, at)), b"")
        end = head.find(closing, at) + len(closing) if closing else 0
        if end <= at:
            root = re.match(rb"<([\w:.-]{1,60})", head[at:])
            found = f"<{root[1].decode()}>" if root else "another or no element"
            raise DataError(
                f"{file.name}, line {line}: expected the root <{ROOT}>, found {found}: collect.source pubmed reads files of "
                "ftp.ncbi.nlm.nih.gov/pubmed and what PubMed exports; for other files set collect.source to table"
            )
        markup, at = head[at:end], end
        if markup.startswith(b"<!DOCTYPE") and b"[" in markup:
            raise DataError(
                f"{file.name}, line {line}: expected the DOCTYPE of PubMed, found one with declarations of its own, which can "
                "hold entities that fill the memory or read other files: do not use this file"
            )
        named = ENCODING.search(markup) if markup.startswith(b"<?xml") else None
        if named and named[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
            raise _encoding(file, named[1].decode())
        if markup.startswith(f"<{ROOT}".encode()):
            return end, markup


MARKUP = ((b"<?", b"?>"), (b"<!--", b"-->"), (b"<!DOCTYPE", b">"), *((f"<{ROOT}{c}".encode(), b">") for c in "> \n\r\t/"))


def _encoding(file: File, found: str) -> DataError:
    return DataError(
        f"{file.name}, line 1: expected UTF-8, found {found}: convert it with iconv -f {found} -t UTF-8, and correct what its "
        "first line says"
    )


def _xml_rows(file: File, tag: bytes, line: int, rest: bytes, stream: Iterator[bytes]) -> Iterator[Rows | Deleted]:
    while True:
        if ends := xml_ends(rest):
            yield Rows(rest[: ends[-1]], np.array(ends, dtype=np.int64))
            line, rest = line + rest.count(b"\n", 0, ends[-1]), rest[ends[-1] :]
        if len(rest) > MAX_CITATION_BYTES:
            raise broken(file, line, f"found a citation of over {MAX_CITATION_BYTES >> 20} MB")
        block = next(stream, None)
        if block is None:
            break
        rest += block
    yield _end(file, tag, line, rest)


def _end(file: File, tag: bytes, line: int, rest: bytes) -> Deleted:
    """What stands behind the last citation. Raises DataError where the file is cut, or goes on."""
    closing = rest.rfind(b"</")
    if closing < 0 or rest[closing:].split() != [f"</{ROOT}>".encode()]:
        raise broken(file, line + rest.count(b"\n"), f"found its end before </{ROOT}>: it is cut")
    root = parse_xml(file, tag.decode("utf-8"), rest[:closing], line)
    if other := [element for element in root if element.tag != "DeleteCitation"]:
        raise broken(file, line + (other[0].sourceline or 1) - 1, "found another element than a citation")
    numbers = root.findall("DeleteCitation/PMID")
    found = [VERSION.match(etree.tostring(number, with_tail=False)) for number in numbers]
    if not all(found):
        raise broken(file, line, "found a deleted citation whose PMID is no number")
    return Deleted([Citation(int(match[2]), int(match[1] or 1)) for match in found if match])


def _medline_rows(file: File, rest: bytes, stream: Iterator[bytes]) -> Iterator[Rows | Deleted]:
    before = 0
    while True:
        ends = medline_ends(rest)
        block = next(stream, None)
        if block is None and rest:
            ends.append(len(rest))
        if ends:
            yield Rows(rest[: ends[-1]], np.array(ends, dtype=np.int64))
            before, rest = before + len(ends), rest[ends[-1] :]
        if block is None:
            return
        rest += block
        if len(rest) > MAX_CITATION_BYTES + len(block):
            raise DataError(
                f"{file.name}, behind citation {before}: expected citations of up to {MAX_CITATION_BYTES >> 20} MB, found "
                "a longer one: take the file out of collect.files"
            )
