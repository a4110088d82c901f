"""sources/pubmed.py against files in the layout of PubMed, and one for each way that a file can be wrong or hostile."""

import gzip
import itertools
import pickle
import re
import time
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dxtune import records, shards
from dxtune.errors import DataError, ParamsError
from dxtune.params import Collect, Params, load_params
from dxtune.paths import Paths
from dxtune.sources import pieces, pubmed, pubmed_rows
from dxtune.stages import collect

ROOT = Path(__file__).parents[2]
SECRET = "Secretname"  # of an author and in each abstract: no message may hold it, no text the author
DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n'
)
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n' + DOCTYPE
CLASSES = ("Review", "Case Reports")
DEFAULT: dict[str, Any] = {
    "version": 1,
    "title": "On asthma.",
    "abstract": "<AbstractText>It is a disease.</AbstractText>",
    "mesh": ("Asthma", "Humans"),
    "types": ("Journal Article", "Review"),
    "date": "<Year>2019</Year><Month>May</Month>",
}


def article(pmid: int, **changes: Any) -> str:
    """A citation with the elements of the DTD, in its order."""
    values = DEFAULT | changes
    abstract = f"<Abstract>{values['abstract']}</Abstract>" if values["abstract"] else ""
    headings = "".join(
        f'<MeshHeading><DescriptorName UI="D{at:06d}" MajorTopicYN="N">{escape(name)}</DescriptorName>'
        '<QualifierName UI="Q000188" MajorTopicYN="Y">drug therapy</QualifierName></MeshHeading>\n'
        for at, name in enumerate(values["mesh"])
    )
    types = "".join(f'<PublicationType UI="D016428">{escape(name)}</PublicationType>' for name in values["types"])
    return f"""<PubmedArticle>
  <MedlineCitation Status="MEDLINE" Owner="NLM" IndexingMethod="Automated">
    <PMID Version="{values["version"]}">{pmid}</PMID>
    <DateCompleted><Year>2020</Year><Month>01</Month><Day>02</Day></DateCompleted>
    <DateRevised><Year>2021</Year><Month>11</Month><Day>09</Day></DateRevised>
    <Article PubModel="Print">
      <Journal><ISSN IssnType="Print">0000-0000</ISSN><JournalIssue CitedMedium="Print"><Volume>1</Volume>
        <PubDate>{values["date"]}</PubDate></JournalIssue><Title>Journal of examples</Title></Journal>
      <ArticleTitle>{values["title"]}</ArticleTitle>
      {abstract}
      <AuthorList CompleteYN="Y"><Author ValidYN="Y"><LastName>{SECRET}</LastName><Initials>A</Initials>
        <AffiliationInfo><Affiliation>{SECRET} Hospital.</Affiliation></AffiliationInfo></Author></AuthorList>
      <Language>eng</Language>
      <PublicationTypeList>{types}</PublicationTypeList>
    </Article>
    <MedlineJournalInfo><Country>England</Country><MedlineTA>J Ex</MedlineTA></MedlineJournalInfo>
    {f"<MeshHeadingList>{headings}</MeshHeadingList>" if headings else ""}
    <CommentsCorrectionsList>
      <CommentsCorrections RefType="Cites"><PMID Version="1">999</PMID></CommentsCorrections>
    </CommentsCorrectionsList>
  </MedlineCitation>
  <PubmedData><ArticleIdList><ArticleId IdType="pubmed">{pmid}</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>
"""


def document(*articles: str, head: str = HEAD, deleted: tuple[int, ...] = ()) -> str:
    gone = "".join(f'<PMID Version="1">{pmid}</PMID>\n' for pmid in deleted)
    behind = f"<DeleteCitation>\n{gone}</DeleteCitation>\n" if deleted else ""
    return f"{head}<PubmedArticleSet>\n{''.join(articles)}{behind}</PubmedArticleSet>\n"


def write(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" and data[:2] != b"\x1f\x8b" else data)
    return path


def settings(path: Path, **changes: Any) -> Collect:
    base = load_params(ROOT / "params.yaml").collect.model_dump()
    base |= {"source": "pubmed", "path": str(path), "subgroup_columns": (), "pubmed_classes": CLASSES}
    return Collect.model_validate(base | changes)


def read(path: Path, task: str = "classification", **changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records and quarantine of all pieces, each read from a copy as another process has it."""
    found = list(pubmed.pieces(settings(path, **changes), task))
    batches = [pickle.loads(pickle.dumps(piece)).read() for piece in found]
    kept, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
    assert (
        kept.height + quarantine.height == sum(piece.rows for piece in found) == pubmed.facts(settings(path, **changes))["rows"]
    )
    assert quarantine.schema == records.QUARANTINE
    assert SECRET not in "".join(kept["text"])
    return kept, quarantine


def reasons(quarantine: pl.DataFrame) -> list[tuple[int, str]]:
    return quarantine.select("row", "reason").rows()


def failure(path: Path, task: str = "classification", **changes: Any) -> str:
    """The message of the DataError, wherever it is raised, once it is known to quote nothing."""
    with pytest.raises(DataError) as caught:
        for piece in pubmed.pieces(settings(path, **changes), task):
            piece.read()
    message = str(caught.value)
    assert SECRET not in message and str(path.parent) not in message, message
    assert path.name in message
    return message


# ---- what is read ----


def test_title_abstract_date_and_label_are_read_and_no_author(tmp_path: Path) -> None:
    maths = '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:mi>x</mml:mi></mml:math>'
    abstract = f"""<AbstractText Label="BACKGROUND" NlmCategory="BACKGROUND">CO<sub>2</sub> &lt; 5&#xA0;% &amp; <i>E.
          coli</i>.</AbstractText>
        <AbstractText Label="UNLABELLED">Something
          else.</AbstractText>
        <AbstractText Label="RESULTS" NlmCategory="RESULTS"/>
        <AbstractText>The {maths} end<!-- no -->.</AbstractText>
        <CopyrightInformation>Copyright 2019.</CopyrightInformation>"""
    title = "Growth of <i>E. coli</i> in CO<sub>2</sub>."
    kept, quarantine = read(write(tmp_path / "a.xml.gz", document(article(7, title=title, abstract=abstract))))
    assert quarantine.is_empty()
    assert dict(kept.schema) == dict(records.columns("classification"))
    assert kept.rows() == [
        (
            "7", "7", "2019-05",
            "Growth of E. coli in CO2.\nBACKGROUND: CO2 < 5 % & E. coli.\nSomething else.\nThe x end.",
            "Review", None,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.xml", "a.xml.gz", "a.nbib", "a.txt", "a.txt.gz"])
def test_xml_and_medline_give_the_same_records(tmp_path: Path, name: str) -> None:
    abstract = "<AbstractText>It is a disease &gt; others.</AbstractText>"
    medline = """
PMID- 1
OWN - NLM
DP  - 2019 May 3
TI  - On
      asthma.
AB  - It is a disease
      > others.
FAU - Secretname, A
AD  - Secretname Hospital.
LA  - eng
PT  - Journal Article
PT  - Case Reports
TA  - J Ex
MH  - *Asthma/drug therapy
MH  - Asthma/*genetics
MH  - Humans

PMID- 2
DP  - 2003 Winter
TI  - A title.
PT  - Review
TA  - J Ex
LA  - eng
"""
    first = article(1, abstract=abstract, types=("Journal Article", "Case Reports"))
    second = article(2, title="A title.", abstract="", date="<MedlineDate>2003 Winter</MedlineDate>")
    text = document(first, second) if "xml" in name else medline
    path = write(tmp_path / name, text)
    kept, quarantine = read(path, subgroup_columns=("journal", "language"))
    assert kept.rows() == [("1", "1", "2019-05", "On asthma.\nIt is a disease > others.", "Case Reports", None, "J Ex", "eng")]
    assert reasons(quarantine) == [(2, "no abstract")]
    labels = read(path, "multilabel", pubmed_labels="mesh", pubmed_classes=("Humans", "Asthma", "Mice"))[0]["labels"]
    assert labels.to_list() == [["Asthma", "Humans"]]
    facts = pubmed.facts(settings(path))
    assert (facts["first_year"], facts["last_year"], facts["rows"]) == (2003, 2019, 2)
    assert "NLM" in str(facts["licence"]) and len(str(facts["sha256"])) == 64


def test_one_class_is_a_label_and_none_or_two_are_left_out(tmp_path: Path) -> None:
    types = [("Review",), ("Case Reports", "Letter"), ("Letter",), ("Review", "Case Reports"), ()]
    path = write(tmp_path / "a.xml", document(*(article(at, types=each) for at, each in enumerate(types, 1))))
    kept, quarantine = read(path)
    assert kept["label"].to_list() == ["Review", "Case Reports"]
    assert reasons(quarantine) == [
        (3, "left out: none of the classes"), (4, "left out: more than one class"), (5, "no publication types"),
    ]  # fmt: skip


def test_the_most_frequent_headings_are_counted_in_citations_that_are_used(tmp_path: Path) -> None:
    mesh = [("Wounds & Injuries", "Humans"), ("Humans", "Mice"), ("Zebrafish", "Mice"), ()]
    first = [article(at, mesh=each) for at, each in enumerate(mesh, 1)]
    first += [article(at, mesh=("Old",)) for at in range(10, 15)]
    first += [article(at, mesh=("Silent",), abstract="") for at in range(20, 25)]
    write(tmp_path / "p1.xml", document(*first))
    write(tmp_path / "p2.xml", document(*(article(at, mesh=("Zebrafish",)) for at in range(10, 12)), deleted=(12, 13, 14)))
    kept, quarantine = read(tmp_path, "multilabel", pubmed_labels="mesh", pubmed_classes=2)
    labels = dict(kept.select("note_id", "labels").iter_rows())
    assert labels == {"1": ["Humans"], "2": ["Humans"], "3": ["Zebrafish"], "10": ["Zebrafish"], "11": ["Zebrafish"]}, (
        "Zebrafish 3, Humans 2 before Mice 2; what is not indexed is no record"
    )
    assert (4, "no mesh") in reasons(quarantine)
    with pytest.raises(DataError, match=r"pubmed_classes = 9: expected so many different mesh, found 4"):
        list(pubmed.pieces(settings(tmp_path, pubmed_labels="mesh", pubmed_classes=9), "multilabel"))


def test_the_last_version_wins_over_files_and_what_pubmed_deleted_is_gone(tmp_path: Path) -> None:
    write(
        tmp_path / "pubmed25n0001.xml.gz",
        document(*(article(at, title=f"Old {at}.") for at in (1, 2, 3, 4)), article(5, version=2)),
    )
    write(
        tmp_path / "pubmed25n1300.xml.gz", document(article(2, title="New 2."), article(5, title="v1, later."), deleted=(3, 77))
    )
    write(tmp_path / "pubmed25n1301.xml.gz", document(article(2, title="Newest 2."), article(4, title="New 4."), deleted=(4,)))
    write(tmp_path / "pubmed25n1302.xml.gz", document(article(4, title="Back again 4.")))
    kept, quarantine = read(tmp_path)
    titles = {note: text.split("\n")[0] for note, text in kept.select("note_id", "text").iter_rows()}
    assert titles == {"1": "Old 1.", "5": "On asthma.", "2": "Newest 2.", "4": "Back again 4."}
    why = {(file[10:13], row): reason.removeprefix(records.LEFT_OUT) for file, row, _, reason in quarantine.iter_rows()}
    again = "another version is used"
    assert why == {
        ("001", 2): again, ("001", 3): "deleted from PubMed", ("001", 4): again,
        ("300", 1): again, ("300", 2): again, ("301", 2): again,
    }  # fmt: skip
    assert pubmed.facts(settings(tmp_path))["deleted_citations"] == 3


def test_pieces_cut_anywhere_give_the_same_records_and_appending_leaves_old_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.xml", document(*(article(at) for at in range(1, 8))))
    write(tmp_path / "b.nbib", "".join(f"PMID- {at}\nTI  - T\nAB  - Text {at}\nPT  - Review\n\n" for at in range(20, 25)))
    whole = read(tmp_path)[0]
    seen = [piece.key for piece in cut(tmp_path, 3)]
    assert [piece.rows for piece in cut(tmp_path, 3)] == [3, 3, 3, 3]
    assert pl.concat([piece.read().records for piece in cut(tmp_path, 3)]).equals(whole)
    monkeypatch.setattr(pubmed_rows, "blocks", lambda path, name: small_blocks(path))
    assert pl.concat([piece.read().records for piece in cut(tmp_path, 5)]).equals(whole), "blocks that end inside of tags"
    assert [piece.key for piece in cut(tmp_path, 3)] == seen
    write(tmp_path / "c.xml", document(article(30), article(5, title="New.")))
    changed = [before != piece.key for before, piece in zip(seen, cut(tmp_path, 3), strict=False)]
    assert changed == [False, True, False, False], "only the piece with the citation that has a new version is read again"


def cut(path: Path, rows: int) -> list[pieces.Piece]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pubmed, "ROWS_PER_SHARD", rows)
        return list(pubmed.pieces(settings(path), "classification"))


def small_blocks(path: Path) -> Any:
    data = path.read_bytes()
    return (data[at : at + 7] for at in range(0, len(data), 7))


def test_files_for_each_split(tmp_path: Path) -> None:
    for at, name in enumerate(("train", "validation", "test"), 1):
        write(tmp_path / f"{name}.xml", document(article(at)))
    splits = {name: f"{name}.xml" for name in ("train", "validation", "test")}
    assert read(tmp_path, splits=splits)[0]["split"].to_list() == ["train", "validation", "test"]


def test_the_stage_collects_pubmed(tmp_path: Path) -> None:
    types = itertools.cycle([("Review",), ("Case Reports",), ("Letter",)])
    write(tmp_path / "in/a.xml.gz", document(*(article(at, types=next(types)) for at in range(1, 31))))
    values = load_params(ROOT / "params.yaml").model_dump()
    values["collect"] = settings(tmp_path / "in").model_dump()
    collect.run(Params.model_validate(values), Paths(tmp_path))
    assert shards.read_corpus(tmp_path / "data/raw").height == 20


def test_books_and_citations_without_a_number_are_quarantined(tmp_path: Path) -> None:
    book = "<PubmedBookArticle><BookDocument><PMID Version='1'>3</PMID></BookDocument></PubmedBookArticle>\n"
    nameless = article(4).replace('<PMID Version="1">4</PMID>', "")
    hidden = article(5).replace("<MedlineCitation ", '<!-- <PMID Version="1">6</PMID> --><MedlineCitation ', 1)
    kept, quarantine = read(write(tmp_path / "a.xml", document(article(1), book, nameless, hidden, article(9))))
    assert kept["note_id"].to_list() == ["1", "9"]
    assert reasons(quarantine) == [(2, "left out: a book, not an article"), (3, "missing PMID"), (4, "missing PMID")]


def test_a_medline_citation_that_is_broken_costs_no_other(tmp_path: Path) -> None:
    text = "PMID- 1\nAB  - a\nPT  - Review\n\nPMID- 2\nno field\n\n"
    text += "PMID- 3\r\nAB  - c\x00\r\nPT  - Review\r\n\r\nPMID- 4\nAB  - d\nPT  - Review"
    kept, quarantine = read(write(tmp_path / "a.txt", text))
    assert kept.select("note_id", "text").rows() == [("1", "a"), ("4", "d")]
    assert reasons(quarantine) == [(2, "a line without a field"), (3, "NUL byte")]


# ---- what is refused ----

LAUGHS = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE PubmedArticleSet [<!ENTITY l0 "lol">{LAUGHS}]>',
    "quadratic": f'<!DOCTYPE PubmedArticleSet [<!ENTITY a "{"a" * 20_000}">]>',
    "external file": '<!DOCTYPE PubmedArticleSet [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>',
    "parameter entity": '<!DOCTYPE PubmedArticleSet [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p.dtd"> %p;]>',
    "behind the system id": '<!DOCTYPE PubmedArticleSet SYSTEM "pubmed.dtd" [<!ENTITY l9 "x">]>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_entities_of_a_files_own_are_refused(tmp_path: Path, name: str) -> None:
    text = document(article(1, title="&l9;" * 50_000), head='<?xml version="1.0"?>\n' + HOSTILE[name])
    started = time.monotonic()
    assert "a.xml, line 2: expected the DOCTYPE of PubMed, found one with declarations" in failure(
        write(tmp_path / "a.xml", text)
    )
    assert time.monotonic() - started < 5


def test_an_entity_that_only_the_dtd_could_declare_is_refused_and_the_dtd_is_not_fetched(tmp_path: Path) -> None:
    dtd = write(tmp_path / "pubmed.dtd", '<!ENTITY eacute "&#233;">')
    text = document(article(1, title="caf&eacute;"), head=f'<!DOCTYPE PubmedArticleSet SYSTEM "{dtd}">\n')
    assert f"a.xml, line {TITLE_LINE - 1}: expected the XML of PubMed" in failure(write(tmp_path / "a.xml", text))
    assert "undeclared entity" in failure(tmp_path / "a.xml")


def test_a_second_document_type_inside_is_refused(tmp_path: Path) -> None:
    inside = '<!DOCTYPE PubmedArticleSet [<!ENTITY a "b">]>' + article(1, title="&a;")
    assert "a.xml, line " in failure(write(tmp_path / "a.xml", document(inside)))


TITLE_LINE = document(article(1)).split("<ArticleTitle>")[0].count("\n") + 1
JORNAL_LINE = document(article(1), article(2)).split("</Journal>")[1].count("\n") + TITLE_LINE - 1
END_LINE = document(article(1)).count("\n") + 1
ONE = document(article(1))
IN_TITLE = rf"a\.xml, line {TITLE_LINE}: "
MISSPELT = article(2).replace("</Journal>", "</Jornal>")
LATIN = '<?xml version="1.0" encoding="ISO-8859-1"?>'
MEDLINE_LATIN = "PMID- 1\nAB  - x\n\nPMID- 2\nTI  - café\n".encode("latin-1")
NO_NUMBER = "<DeleteCitation><PMID>x</PMID></DeleteCitation>"
WRONG: dict[str, tuple[str, str | bytes, str]] = {
    "cut xml": ("a.xml", document(article(1), article(2))[:-900], r"a\.xml, line \d\d: .* it is cut"),
    "no end": ("a.xml", ONE.replace("</PubmedArticleSet>", ""), "it is cut"),
    "cut gz": ("a.xml.gz", gzip.compress(ONE.encode())[:-200], r"a\.xml\.gz: expected gzip data"),
    "no gz": ("a.xml.gz", b"\x1f\x8bnothing", r"a\.xml\.gz: expected gzip data"),
    "mismatched tags": ("a.xml", document(article(1), MISSPELT), rf"line {JORNAL_LINE}: .*tag name mismatch"),
    "bare ampersand": ("a.xml", document(article(1, title=f"{SECRET} & x")), IN_TITLE),
    "control character": ("a.xml", document(article(1, title=f"{SECRET}\x01")), IN_TITLE),
    "Latin-1 under a UTF-8 head": ("a.xml", document(article(1, title=f"{SECRET} café")).encode("latin-1"), IN_TITLE),
    "Latin-1 with its head": ("a.xml", document(article(1), head=LATIN), "found ISO-8859-1.*iconv"),
    "UTF-16": ("a.xml", ONE.encode("utf-16"), "found UTF-16.*iconv"),
    "UTF-16 without a mark": ("a.txt", "PMID- 1\n".encode("utf-16-le"), "found UTF-16.*iconv"),
    "another root": ("a.xml", "<?xml version='1.0'?>\n<!-- x -->\n<pmc-articleset/>", r"line 3: .*<pmc-articleset>"),
    "a longer root": ("a.xml", "<PubmedArticleSets></PubmedArticleSets>", "found <PubmedArticleSets>"),
    "html": ("a.xml", f"<!DOCTYPE html><html><body>{SECRET}</body></html>", "found <html>"),
    "no xml": ("a.xml", f"{SECRET},1\n", "found another or no element"),
    "empty": ("a.xml", b"", "found an empty file"),
    "foreign element": ("a.xml", document(article(1), "<Foreign/>"), "found another element than a citation"),
    "foreign element in between": ("a.xml", document(article(1), "<Foreign/>", article(2)), "another element"),
    "two documents": ("a.xml", ONE + document(article(2)), rf"a\.xml, line {END_LINE}: "),
    "no medline": ("a.txt", f"\n\n{SECRET}\n", r"a\.txt, line 3: expected a line that begins with PMID-"),
    "medline in Latin-1": ("a.txt", MEDLINE_LATIN, r"a\.txt, line 5: expected UTF-8"),
    "deleted nothing": ("a.xml", document(article(1), NO_NUMBER), "PMID is no number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, case: str) -> None:
    name, content, says = WRONG[case]
    message = failure(write(tmp_path / name, content))
    assert re.search(says, message), message


def test_files_without_a_citation_are_no_source(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", document())
    write(tmp_path / "b.xml", "<PubmedArticleSet/>")
    with pytest.raises(DataError, match="found none in its files"):
        list(pubmed.pieces(settings(tmp_path), "classification"))


@pytest.mark.parametrize("name", ["a.xml", "a.txt"])
def test_a_citation_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(pubmed_rows, "MAX_CITATION_BYTES", 1 << 20)
    long = "word " * 2_000_000
    text = document(article(1, title=long)) if name == "a.xml" else f"PMID- 1\nAB  - {long}\n"
    assert "of over 1 MB" in failure(write(tmp_path / name, text)) or "up to 1 MB" in failure(tmp_path / name)


def test_a_deep_tree_and_a_huge_text_are_refused(tmp_path: Path) -> None:
    assert "a.xml, line" in failure(write(tmp_path / "a.xml", document(article(1, title="<i>" * 5000 + "</i>" * 5000))))
    assert "b.xml, line" in failure(write(tmp_path / "b.xml", document(article(1, title="a" * 10_500_000))))


@pytest.mark.parametrize(
    ("task", "changes", "says"),
    [
        ("generation", {}, "set task to classification or multilabel"),
        ("classification", {"pubmed_classes": 20}, "needs two names"),
        ("classification", {"pubmed_classes": ("Review",)}, "needs two names"),
        ("multilabel", {"pubmed_classes": ()}, "pubmed_classes is empty"),
        ("classification", {"subgroup_columns": ("sex",)}, "journal and language: found"),
        ("classification", {"identifier_columns": ("name",)}, "identifier_columns"),
    ],
)
def test_settings_that_do_not_fit_pubmed(tmp_path: Path, task: str, changes: dict[str, Any], says: str) -> None:
    values = load_params(ROOT / "params.yaml").model_dump(mode="json")
    values["task"] = task
    values["collect"] = settings(tmp_path, **changes).model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ParamsError, match=says):
        load_params(tmp_path / "params.yaml")
