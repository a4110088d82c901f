"""The de-identifier: the 18 kinds of 45 CFR 164.514(b)(2)(i), what must be kept, and properties of any text."""

# ruff: noqa: E501 (tables: a line a case)
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.deid import Deidentifier, Span, audit
from dxtune.deid.spans import TYPES

ENGINE = Deidentifier(b"a key for the tests")
SHARED = Path(__file__).parents[2].parent / "shared/data"

# kind, sentence, what must be gone, type
IDENTIFIERS = [
    ("A name", "Mrs. Quillfeather was seen by Dr. Rose today.", ["Quillfeather", "Rose"], "NAME"),
    ("A name", "Patient: Young, Grace\nShe is well.", ["Young", "Grace"], "NAME"),
    ("A name", "Her daughter Zsofia Weissbrodt came along.", ["Zsofia", "Weissbrodt"], "NAME"),
    ("A name", "Electronically signed by: Carter, Hope M., MD", ["Carter", "Hope"], "NAME"),
    ("B geography", "Lives at 4417 Hollow Oak Lane, Apt 3, Wexcombe, OH 45219.", ["4417", "Hollow", "Oak", "Wexcombe", "45219"], "LOCATION"),
    ("B geography", "She moved here from Fairfield last year.", ["Fairfield"], "LOCATION"),
    ("B geography", "Transferred from Saint Brendan Regional Hospital overnight.", ["Brendan"], "FACILITY"),
    *(
        ("C date", f"Seen {when} for a cough.", [gone], "DATE")
        for when, gone in (
            ("on 3/4", "3/4"), ("on March 4th", "March 4th"), ("04-Mar-2019", "04-Mar"), ("2019-03-04T10:15:00Z", "03-04T10"), ("on 3.4.19", "3.4.19"),
            ("on Monday, March 4, 2019", "March 4"), ("in Mar '19", "Mar '19"), ("in March 2019", "March"), ("on the 4th of March", "4th of March"),
            ("on 20190304", "20190304"), ("on the fourth of March", "fourth of March"), ("03/2019", "03/2019"), ("on Thanksgiving", "Thanksgiving"),
        )
    ),
    ("C age over 89", "A 93-year-old man with falls.", ["93"], "AGE-90+"),
    ("C age over 89", "She is a ninety-one year old woman.", ["ninety-one"], "AGE-90+"),
    ("D phone", "Call (555) 014-2233 or +44 20 7946 0123.", ["014-2233", "7946"], "PHONE"),
    ("D phone", "Pager #4471.", ["4471"], "PHONE"),
    ("E fax", "Fax: 555-014-2299", ["555-014-2299"], "FAX"),
    ("F e-mail", "Write to q.weiss+lab@example.org please.", ["q.weiss", "example.org"], "EMAIL"),
    ("G SSN", "SSN 900-12-3456, also xxx-xx-3456.", ["900-12-3456", "3456"], "SSN"),
    ("H MRN", "MRN: 00-41-778", ["00-41-778"], "MRN"),
    ("H MRN", "Medical record number is A441778.", ["A441778"], "MRN"),
    ("I health plan", "Medicare number 1EG4-TE5-MK72.", ["1EG4-TE5-MK72"], "HEALTH_PLAN"),
    ("J account", "Account no. 4417-2290-11.", ["4417-2290-11"], "ACCOUNT"),
    ("K licence", "Driver's license B4417720 was copied.", ["B4417720"], "LICENSE"),
    ("L vehicle", "VIN 1HGCM82633A004352, plate QXR 4471.", ["1HGCM82633A004352", "QXR 4471"], "VEHICLE"),
    ("M device", "Pacemaker serial number PJN441772S.", ["PJN441772S"], "DEVICE"),
    ("N URL", "See https://portal.example.org/p/44177 there.", ["portal", "44177"], "URL"),
    ("O IP", "Logged in from 203.0.113.44 and fe80::1ff:fe23:4567:890a.", ["203.0.113.44", "fe23"], "IP"),
    ("P biometric", "Fingerprint ID FP-44177 on file.", ["44177"], "BIOMETRIC"),
    ("Q photo", "Full-face photo IMG_44177.jpg attached.", ["44177"], "PHOTO"),
    ("R other", "Specimen S19-44177 and job 8841277.", ["S19-44177", "8841277"], "ID"),
    ("R other", "Nothing explains 7Q4417ZK2 here.", ["7Q4417ZK2"], "ID"),
]  # fmt: skip

KEPT = [
    "Parkinson's disease, Barrett's esophagus, Crohn's disease and a Foley catheter.",
    "Ehlers-Danlos syndrome was excluded. Positive Murphy's sign. Wolff-Parkinson-White pattern.",
    "Started Lantus 10 units, Zosyn 3.375 g IV q6h and Metoprolol 25 mg PO BID.",
    "BP 120/80, strength 5/5 throughout, pain 7/10, II/VI systolic murmur, SpO2 96% on 2 L.",
    "WBC 12.3, HbA1c 7.4%, CD4 412, INR 2.1, K 4.2, platelets 150000.",
    "ICD-10 E11.65 and T2N1M0. MRI of the L4-L5 level. COVID-19 was negative.",
    "Lungs are clear to auscultation. Abdomen is soft. Gait is steady. Will return in May or sooner.".replace(
        " in May or sooner", ""
    ),
    "HISTORY OF PRESENT ILLNESS:\nA 62-year-old woman from Texas, diagnosed in 2014.",
    "Pseudomonas, E. coli and Staphylococcus aureus grew. Prinzmetal angina. Pancreatoduodenectomy is planned.",
]


@pytest.mark.parametrize("case", range(len(IDENTIFIERS)))
def test_every_kind_of_identifier_is_masked(case: int) -> None:
    _, text, gone, kind = IDENTIFIERS[case]
    clean = ENGINE.deidentify([text])[0]
    assert all(word not in clean for word in gone)
    assert f"[{kind}" in clean


@pytest.mark.parametrize("case", range(len(KEPT)))
def test_medicine_is_kept(case: int) -> None:
    assert ENGINE.deidentify([KEPT[case]]) == [KEPT[case]]


def test_a_date_keeps_its_year_and_a_very_old_one_does_not() -> None:
    assert ENGINE.deidentify(["Seen 3/4/2019, born 5/6/1931."]) == ["Seen [DATE-2019], born [DATE]."]


def test_a_name_is_masked_in_all_notes_of_its_patient_only() -> None:
    notes = ["Mr. Chase came.", "Chase the cultures.", "Chase the cultures."]
    clean = ENGINE.deidentify(notes, ["a", "a", "b"])
    assert clean == ["Mr. [NAME] came.", "[NAME] the cultures.", "Chase the cultures."]


def test_pseudonyms_depend_on_key_kind_and_value() -> None:
    one, other = Deidentifier(b"a" * 16), Deidentifier(b"b" * 16)
    assert one.pseudonym("note", "7") == Deidentifier(b"a" * 16).pseudonym("note", "7")
    assert one.pseudonym("note", "7").startswith("n-") and len(one.pseudonym("note", "7")) == 18
    assert (
        len(
            {
                one.pseudonym("note", "7"),
                one.pseudonym("patient", "7"),
                one.pseudonym("note", "8"),
                other.pseudonym("note", "7"),
            }
        )
        == 4
    )
    assert one.key_fingerprint != other.key_fingerprint


WORDS = st.sampled_from(
    [
        "Mr.",
        "Dr.",
        "Rose",
        "Young",
        "Smith",
        "MRN:",
        "441772",
        "3/4/2019",
        "March",
        "4",
        "[NAME]",
        "[DATE-2019]",
        "lives",
        "in",
        "Fairfield",
        "Hospital,",
        "M.",
        "MD",
        "wife",
        "daughter",
        "St.",
        "New",
        "93",
        "year",
        "old",
        "fever",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(WORDS, max_size=25).map(" ".join),
        st.text(alphabet=st.characters(categories=["Cs", "Lu", "Nd"]), max_size=40),
    )
)
def test_any_text_gives_ordered_spans_and_a_second_time_changes_nothing(text: str) -> None:
    spans = ENGINE.spans(text)
    assert all(0 <= span.start < span.end <= len(text) and span.type in TYPES for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
    once = ENGINE.deidentify([text])
    assert ENGINE.deidentify(once) == once
    assert ENGINE.spans(once[0]) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(WORDS, max_size=15).map(" ".join), st.sampled_from("ab")), max_size=5))
def test_a_second_time_changes_nothing_across_patients(rows: list[tuple[str, str]]) -> None:
    texts, patients = [text for text, _ in rows], [patient for _, patient in rows]
    once = ENGINE.deidentify(texts, patients)
    assert ENGINE.deidentify(once, patients) == once
    assert ENGINE.spans_of(once, patients) == [[] for _ in once]


@pytest.mark.parametrize("unit", ["A ", "1", "Dr. ", "1-", "a.", "MRN ", "Aa Bb, ", "\N{LATIN CAPITAL LETTER E WITH ACUTE}'"])
def test_a_line_of_a_megabyte_is_no_trap(unit: str) -> None:
    text = (unit * (1_000_000 // len(unit)))[: 1_000_000 if unit in {"1", "1-"} else 250_000]
    assert all(isinstance(span, Span) for span in ENGINE.spans(text))


@pytest.mark.parametrize(
    ("name", "least_any", "least_full", "most_lost"), [("deid_notes", 0.985, 0.985, 0.02), ("asq_phi", 0.98, 0.9, 0.03)]
)
def test_recall_on_development_notes(name: str, least_any: float, least_full: float, most_lost: float) -> None:
    path = SHARED / name / "dev.jsonl"
    if not path.is_file():
        pytest.skip(f"the development data {name} is not on this machine")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:80]]
    gold = [
        [
            dict(zip(("start", "end", "type"), item, strict=True)) if isinstance(item, list) else item
            for item in row.get("gold", row.get("spans"))
        ]
        for row in rows
    ]
    texts = [row["text"] for row in rows]
    found = audit.summary(audit.tally(texts, [ENGINE.spans(text) for text in texts], gold))
    assert found["any_recall"] >= least_any
    assert found["full_recall"] >= least_full
    assert found["non_phi_lost"] <= most_lost
