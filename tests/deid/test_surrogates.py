"""Surrogates: consistent within a patient, of the same form, never real, and dates that keep their distance."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.deid import Deidentifier, Span
from dxtune.deid.spans import TYPES
from dxtune.deid.surrogates import Surrogates, shift
from dxtune.deid.tokens import hash_words

KEY = b"a key for the tests"


def made(kind: str, value: str, patient: str = "p", **settings_: object) -> str:
    return Surrogates(KEY, **settings_).replace(value, [Span(0, len(value), kind)], patient)  # type: ignore[arg-type]


def test_a_person_stays_the_same_person_in_every_form() -> None:
    full = made("NAME", "Mary Quillfeather")
    first, last = full.split()
    assert {"Mary", "Quillfeather"}.isdisjoint({first, last})
    assert made("NAME", "QUILLFEATHER, MARY") == f"{last.upper()}, {first.upper()}"
    assert made("NAME", "mary") == first.lower()
    assert made("NAME", "Mary Quillfeather", "other") != full


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("MRN", "A44-1772", r"[A-Z]\d\d-\d{4}"),
        ("SSN", "123-45-6789", r"9\d\d-\d\d-\d{4}"),
        ("PHONE", "(617) 555-9876", r"\([2-9]\d\d\) 555-01\d\d"),
        ("EMAIL", "mary@home.com", r"user\d{5}@example\.org"),
        ("URL", "www.home.com/mary", r"https://example\.org/\d{5}"),
        ("IP", "10.1.2.3", r"192\.0\.2\.\d{1,3}"),
        ("PHOTO", "IMG_4417.jpg", r"[A-Z]{3}_\d{4}\.jpg"),
        ("AGE", "97", r"90\+"),
        ("LOCATION", "02115", "02100"),
        ("LOCATION", "03601", "00000"),
    ],
)  # fmt: skip
def test_codes_keep_their_form_and_nothing_else(kind: str, value: str, form: str) -> None:
    import re

    surrogate = made(kind, value)
    assert re.fullmatch(form, surrogate) and surrogate != value
    assert made(kind, value) == surrogate


def test_a_facility_keeps_what_it_is() -> None:
    surrogate = made("FACILITY", "Quillfeather Memorial Hospital")
    assert surrogate.endswith(" Memorial Hospital") and "Quillfeather" not in surrogate


def test_no_surrogate_is_a_name_of_the_corpus() -> None:
    surrogate = made("NAME", "Quillfeather")
    taken = frozenset({int(hash_words([surrogate.lower()])[0])})
    assert made("NAME", "Quillfeather", taken=taken) != surrogate


def test_dates_are_years_or_moved() -> None:
    assert made("DATE", "March 4, 2019") == "2019"
    assert made("DATE", "3/4") == "[DATE]"
    moved = made("DATE", "03/04/2019", dates="shift")
    assert moved != "03/04/2019" and len(moved) == 10


@pytest.mark.parametrize(
    ("value", "weeks", "expected"),
    [
        ("March 4, 2019", 1, "March 11, 2019"),
        ("4 Mar 2019", -1, "25 Feb 2019"),
        ("the 30th of December", 1, "the 6th of January"),
        ("12/28", 1, "01/04"),
        ("28.12.2019", 1, "04.01.2020"),
        ("20190304", 2, "20190318"),
        ("2019-03-04T10:15", 1, "2019-03-11T10:15"),
        ("3/4/19", 1, "3/11/19"),
        ("MAR 4", 1, "MAR 11"),
        ("someday", 1, "[DATE]"),
        ("31/31", 1, "[DATE]"),
    ],
)
def test_a_moved_date_keeps_its_form(value: str, weeks: int, expected: str) -> None:
    assert shift(value, timedelta(weeks=weeks)) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.dates(date(1950, 1, 1), date(2090, 1, 1)),
    st.dates(date(1950, 1, 1), date(2090, 1, 1)),
    st.sampled_from(["%Y-%m-%d", "%m/%d/%Y"]),
)
def test_intervals_and_weekdays_are_kept(one: date, other: date, form: str) -> None:
    from datetime import datetime

    def day(value: date) -> date:
        return datetime.strptime(made("DATE", value.strftime(form), dates="shift"), form).date()

    assert day(one) - day(other) == one - other
    assert day(one).weekday() == one.weekday() and day(one) != one


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=60), st.lists(st.integers(0, 60), max_size=8), st.sampled_from(TYPES), st.sampled_from(["year", "shift"])
)
def test_what_is_no_identifier_stays(text: str, cuts: list[int], kind: str, dates: str) -> None:
    places = sorted({cut for cut in cuts if cut <= len(text)})
    spans = [Span(start, end, kind) for start, end in zip(places[::2], places[1::2], strict=False) if start < end]
    result = Surrogates(KEY, dates).replace(text, spans, "p")  # type: ignore[arg-type]
    kept, done = [], 0
    for span in spans:
        kept.append(text[done : span.start])
        done = span.end
    kept.append(text[done:])
    at = 0
    for part in kept:
        found = result.find(part, at)
        assert found >= 0
        at = found + len(part)


def test_the_engine_puts_them_in() -> None:
    engine = Deidentifier(KEY, style="surrogate", dates="shift")
    notes = ["Mr. Quillfeather (MRN 441772) came on 3/4/2019.", "Seen on 3/11/2019. QUILLFEATHER is better."]
    first, second = engine.deidentify(notes, ["p", "p"])
    name = first.split()[1]
    assert name != "Quillfeather" and name.upper() in second
    assert "441772" not in first and first.startswith("Mr. ") and second.endswith(" is better.")
