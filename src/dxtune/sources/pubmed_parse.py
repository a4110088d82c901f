"""What a citation of PubMed says, from its XML or its MEDLINE fields: title, abstract, date, and headings.

Names and addresses of authors are not read.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from lxml import etree

from dxtune import records
from dxtune.sources.pubmed_rows import broken, parse_xml
from dxtune.sources.table_files import File

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIELD = re.compile(r"([A-Z0-9]{2,4}) *- ?(.*)")


class Article(NamedTuple):
    """A citation: empty strings and lists where it does not say."""

    pmid: str
    title: str
    abstract: str
    date: str
    mesh: list[str]
    publication_types: list[str]
    journal: str
    language: str


def from_xml(file: File, tag: str, data: bytes, line: int) -> Article | str:
    """The citation whose XML is `data`, from `line` of the file on, or the reason why it cannot be used.

    Raises DataError where the XML is broken.
    """
    root = parse_xml(file, tag, data, line)
    if len(root) != 1 or root[0].tag not in ("PubmedArticle", "PubmedBookArticle"):
        raise broken(file, line, "found another element than a citation")
    if root[0].tag == "PubmedBookArticle":
        return records.LEFT_OUT + "a book, not an article"
    citation = root[0].find("MedlineCitation")
    article = citation.find("Article") if citation is not None else None
    if citation is None or article is None:
        return "no article"
    headings = citation.iterfind("MeshHeadingList/MeshHeading/DescriptorName")
    return Article(
        pmid=_text(citation.find("PMID")),
        title=_text(article.find("ArticleTitle")),
        abstract="\n".join(filter(None, map(_section, article.iterfind("Abstract/AbstractText")))),
        date=_date(article.find("Journal/JournalIssue/PubDate")),
        mesh=_names(headings),
        publication_types=_names(article.iterfind("PublicationTypeList/PublicationType")),
        journal=_text(citation.find("MedlineJournalInfo/MedlineTA")),
        language=_text(article.find("Language")),
    )


def from_medline(data: bytes) -> Article | str:
    """The citation whose fields are `data` (UTF-8), or the reason why it cannot be used.

    >>> head = b"PMID- 7\\nDP  - 2020 May\\nTI  - On\\n      asthma\\n"
    >>> article = from_medline(head + b"AB  - It is.\\nMH  - *Asthma/drug therapy\\n")
    >>> article.title, article.date, article.mesh
    ('On asthma', '2020-05', ['Asthma'])
    """
    fields: dict[str, list[str]] = {}
    last: list[str] = []
    for line in data.decode("utf-8").replace("\r\n", "\n").split("\n"):
        if not line.strip():
            continue
        found = FIELD.fullmatch(line)
        if found:
            last = fields.setdefault(found[1], [])
            last.append(found[2])
        elif line.startswith("      ") and last:
            last[-1] += " " + line.strip()
        else:
            return "a line without a field"

    def first(name: str) -> str:
        return " ".join(fields.get(name, [""])[0].split())

    mesh = [heading.split("/")[0].strip(" *") for heading in fields.get("MH", [])]
    return Article(
        pmid=first("PMID"),
        title=first("TI"),
        abstract=first("AB"),
        date=date(first("DP")),
        mesh=list(dict.fromkeys(mesh)),
        publication_types=list(dict.fromkeys(name.strip() for name in fields.get("PT", []))),
        journal=first("TA"),
        language=first("LA"),
    )


def date(words: str) -> str:
    """Year and month, or the year where there is no month, or nothing: of a span of time its beginning.

    >>> [date(words) for words in ("2020 May 3", "2019", "1998 Dec-1999 Jan", "2001 05", "Spring 2003", "2000 Winter", "")]
    ['2020-05', '2019', '1998-12', '2001-05', '2003', '2000', '']
    """
    year = re.search(r"(?<!\d)(1[5-9]|20)\d\d(?!\d)", words)
    if not year:
        return ""
    month = re.match(r"\W?([A-Za-z]{3}|\d{1,2})(?![A-Za-z\d])", words[year.end() :])
    named = month[1].lower() if month else ""
    number = MONTHS.index(named) + 1 if named in MONTHS else int(named) if named.isdecimal() else 0
    return f"{year[0]}-{number:02d}" if 1 <= number <= 12 else year[0]


def _date(element: etree._Element | None) -> str:
    if element is None:
        return ""
    parts = (element.findtext(name) for name in ("MedlineDate", "Year", "Month"))
    return date(" ".join(part.strip() for part in parts if part))


def _section(element: etree._Element) -> str:
    """A section of a structured abstract, as `LABEL: text`; others have no label."""
    text, label = _text(element), " ".join((element.get("Label") or "").split())
    return f"{label}: {text}" if text and label and label.upper() != "UNLABELLED" else text


def _text(element: etree._Element | None) -> str:
    """All text of an element without its markup (<i>, <sub>, MathML ...), white space as single spaces."""
    if element is None:
        return ""
    return " ".join(("".join(element.itertext()) if len(element) else element.text or "").split())


def _names(elements: Iterable[etree._Element]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(_text, elements))))
