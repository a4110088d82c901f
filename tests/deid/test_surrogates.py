"""Surrogates: what they look like type by type, and what holds for any text: consistency, distance of dates, nothing left."""

import re
from collections.abc import Callable, Set
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.deid import Deidentifier, Span, surrogates
from dxtune.deid import surrogate_names as names
from dxtune.deid.spans import TYPES
from dxtune.deid.surrogates import Surrogates, shift, words_of

KEY = b"a key for the tests"
PARTS = re.compile(r"[^\W_]+")


def made(
    kind: str, value: str, patient: str = "p", dates: Literal["year", "shift"] = "year", taken: Set[str] = frozenset()
) -> str:
    return Surrogates(KEY, dates, taken).replace(value, [Span(0, len(value), kind)], patient)


# names


def test_a_person_is_one_person_in_every_form() -> None:
    first, last = made("NAME", "John Smith").split()
    assert made("NAME", "Smith, John") == f"{last}, {first}"
    assert made("NAME", "SMITH") == last.upper()
    assert made("NAME", "john") == first.lower()
    assert re.fullmatch(rf"[A-IK-Z]\. {last}", made("NAME", "J. Smith"))
    assert made("NAME", "J. Smith")[0] == made("NAME", "J.")[0]
    assert made("NAME", "García") == made("NAME", "Garcia") == made("NAME", "GARCI\u0301A").capitalize()
    assert made("NAME", "Łukasz") == made("NAME", "Lukasz")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("Mary-Ann Lee", r"[A-Z][a-z]+-[A-Z][a-z]+ [A-Z][a-z]+"),
        ("O'Brien", r"O'[A-Z][a-z]+"),
        ("Smith's", r"[A-Z][a-z]+'s"),
        ("SMITH’S", r"[A-Z]+’S"),
        ("McDonald", r"Mc[A-Z][a-z]+"),
        ("MCDONALD", r"MC[A-Z]+"),
        ("Dr. J.R.  van der Berg, Jr.", r"Dr\. [A-Z]\.[A-Z]\.  van der [A-Z][a-z]+, Jr\."),
        ("Smith2", r"[A-Z][a-z]+\d"),
        ("Ĵr", r"(?!Jr)[A-Z][a-z]+"),
        ("रमेश", r"[a-z]+"),
    ],
)
def test_a_name_keeps_its_form(value: str, form: str) -> None:
    assert re.fullmatch(form, made("NAME", value))


def test_case_and_prefix_do_not_change_who_it_is() -> None:
    assert made("NAME", "McDonald").upper() == made("NAME", "MCDONALD")


@pytest.mark.parametrize(("known", "pool"), [("Mary", names.FEMALE), ("John", names.MALE), ("Taylor", names.EITHER)])
def test_a_first_name_stays_one_of_its_sex(known: str, pool: frozenset[str]) -> None:
    assert all(made("NAME", known, f"p{number}").lower() in pool for number in range(40))


@pytest.mark.parametrize(("known", "never"), [("Mildred", names.YOUNG), ("Kayla", names.OLD)])
def test_a_first_name_fits_the_age_of_its_owner(known: str, never: frozenset[str]) -> None:
    drawn = {made("NAME", known, f"p{number}").lower() for number in range(200)}
    assert len(drawn) > 100
    assert drawn <= names.FEMALE - never


def test_a_surname_stays_a_surname() -> None:
    assert all(made("NAME", "Quillfeather", f"p{number}").lower() in names.SURNAMES for number in range(40))


def test_no_surrogate_is_a_word_of_the_corpus() -> None:
    surrogate = made("NAME", "Quillfeather")
    other = made("NAME", "Quillfeather", taken=words_of([surrogate]))
    assert other not in (surrogate, "Quillfeather")
    everything = words_of([*(word for pool in names.POOLS.values() for word in pool), *names.INVENTED])
    invented = made("NAME", "Quillfeather", taken=everything)
    assert invented.isalpha() and invented.istitle()
    assert not words_of([invented]) & everything
    code = made("MRN", "4417720")
    assert made("MRN", "4417720", taken=words_of([code])) != code


def test_a_taken_word_changes_no_other_surrogate() -> None:
    words = sorted(names.SURNAMES)[:50]
    before = [made("NAME", word) for word in words]
    taken = words_of([before[0]])
    after = [made("NAME", word, taken=taken) for word in words]
    assert [old for old, new in zip(before, after, strict=True) if old != new] == [old for old in before if old == before[0]]


def test_the_lists_are_apart_and_hold_no_word_twice() -> None:
    listed = [*names.FEMALE, *names.MALE, *names.EITHER, *names.SURNAMES, *names.MC_NAMES]
    assert len(set(listed)) == len(listed)
    assert all(word.isascii() and word.isalpha() and word.islower() for pool in names.POOLS.values() for word in pool)


# places


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("4417 Hollow Oak Lane, Apt 3, Fairfield, OH 45219", r"[1-9]\d{3} \w+ \w+ Lane, Apt \d, [A-Z][a-z]+, OH 45200"),
        ("W 42nd Street", r"W [1-9](1st|2nd|3rd|[04-9]th|[1][1-3]th) Street"),
        ("New York, NY 10001-1234", r"New York, NY 10000-0000"),
        ("10 Main St, Cody, WY 82190", r"[2-9][1-9] \w+ St, [A-Z][a-z]+, WY 00000"),
        ("02115", "02100"),
        ("03601", "00000"),
        ("PO Box 12345", r"PO Box (?!123)\d{5}"),
        ("P.O. Box 77, BOSTON MA 02115 USA", r"P\.O\. Box \d\d, [A-Z]+ MA 02100 USA"),
        ("North Carolina", "North Carolina"),
        ("Center, TX", r"(?!Center)[A-Z][a-z]+, TX"),
        ("SW1A 1AA", r"[A-Z]{2}\d[A-Z] \d[A-Z]{2}"),
        ("Kansas City, Missouri", r"(?!Kansas)\w+ City, Missouri"),
    ],
)
def test_a_place_keeps_its_form(value: str, form: str) -> None:
    assert re.fullmatch(form, made("LOCATION", value))


@pytest.mark.parametrize("prefix", sorted(names.SMALL_ZIPS))
def test_small_zip_areas_become_zero(prefix: str) -> None:
    assert made("LOCATION", f"{prefix}47") == "00000"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("Saint Brendan Regional Hospital", r"Saint (?!Brendan)[A-Z][a-z]+ Regional Hospital"),
        ("St. Mary's Medical Center", r"St\. (?!Mary)[A-Z][a-z]+'s Medical Center"),
        ("UNIVERSITY OF MICHIGAN", r"UNIVERSITY OF (?!MICHIGAN)[A-Z]+"),
        ("MGH", r"[A-LN-Z][A-FH-Z][A-GI-Z]"),
        ("General Hospital", r"(?!General)[A-Z][a-z]+ Hospital"),
        ("Ward 7B", r"Ward \d[A-Z]"),
    ],
)
def test_a_facility_keeps_what_it_is(value: str, form: str) -> None:
    assert re.fullmatch(form, made("FACILITY", value))


# codes


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("MRN", "A44-1772", r"[B-Z]\d\d-\d{4}"),
        ("VEHICLE", "1HGCM82633A004352", r"\d[A-Z]{4}\d{5}[A-Z]\d{6}"),
        ("DEVICE", "PJN441772s", r"[A-Z]{3}\d{6}[a-z]"),
        ("HEALTH_PLAN", "1EG4-TE5-MK72", r"\d[A-Z]{2}\d-[A-Z]{2}\d-[A-Z]{2}\d\d"),
        ("SSN", "123-45-6789", r"9\d\d-[0-4]\d-\d{4}"),
        ("SSN", "900-12-3456", r"000-[0-4]\d-\d{4}"),
        ("SSN", "xxx-xx-3456", r"xxx-xx-\d{4}"),
        ("PHONE", "(617) 234-9876", r"\([2-9]\d\d\) 555-01\d\d"),
        ("PHONE", "1-617-234-9876 x22", r"1-[2-9]\d\d-555-01\d\d x\d\d"),
        ("PHONE", "234-9876", r"555-01\d\d"),
        ("PHONE", "+44 20 7946 0123", r"\+\d\d \d\d \d{4} \d{4}"),
        ("FAX", "#4471", r"#\d{4}"),
        ("EMAIL", "mary@home.com", r"user\d{5}@example\.org"),
        ("URL", "www.home.com/mary", r"https://example\.org/\d{5}"),
        ("IP", "10.1.2.3", r"192\.0\.2\.\d{1,3}"),
        ("IP", "fe80::1ff:fe23", r"2001:db8::[0-9a-f]{1,4}"),
        ("PHOTO", "IMG_4417.jpg", r"IMG_\d{4}\.jpg"),
        ("PHOTO", "maryface.DCM", r"[a-z]{8}\.DCM"),
        ("AGE", "97", r"90\+"),
        ("AGE", "ninety-one", r"90\+"),
    ],
)
@pytest.mark.parametrize("patient", ["p", "q", "r"])
def test_a_code_keeps_its_form(kind: str, value: str, form: str, patient: str) -> None:
    surrogate = made(kind, value, patient)
    assert re.fullmatch(form, surrogate) and surrogate != value


def test_marks_make_no_other_number() -> None:
    assert made("MRN", "00-41-778").replace("-", "") == made("MRN", "0041778")
    assert made("PHONE", "617.234.9876").replace(".", "") == re.sub(r"\W", "", made("PHONE", "(617) 234-9876"))


@settings(max_examples=100, deadline=None)
@given(
    st.text("0123456789ABCXYZabcxyz- /", min_size=1, max_size=60),
    st.sampled_from(["MRN", "ID", "ACCOUNT", "LICENSE", "DEVICE", "BIOMETRIC"]),
)
def test_each_letter_and_digit_is_another_one(value: str, kind: str) -> None:
    for old, new in zip(value, made(kind, value), strict=True):
        if old.isalnum():
            assert new != old and (new.isdigit(), new.isupper()) == (old.isdigit(), old.isupper())
        else:
            assert new == old


# dates


@pytest.mark.parametrize(
    ("value", "left"),
    [("03/04/2019", "2019"), ("March 4, 2019", "2019"), ("20190304", "2019"), ("2019-03-04T10:15", "2019"), ("3/4", "[DATE]"),
     ("3/4/19", "[DATE]"), ("Easter", "[DATE]"), ("5/6/1931", "[DATE]")],
)  # fmt: skip
def test_safe_harbor_leaves_the_year(value: str, left: str) -> None:
    assert made("DATE", value) == left


@pytest.mark.parametrize(
    ("value", "weeks", "moved"),
    [
        ("03/04/2019", 1, "03/11/2019"),
        ("3/4/2019", -1, "2/25/2019"),
        ("13-04-2019", 1, "20-04-2019"),
        ("28.12.2019", 1, "04.01.2020"),
        ("3/4/19", 1, "3/11/19"),
        ("12/28/99", 1, "01/04/00"),
        ("2019-03-04", 1, "2019-03-11"),
        ("2019/3/4", 1, "2019/3/11"),
        ("20190304", 2, "20190318"),
        ("20190304101500", 2, "20190318101500"),
        ("March 4, 2019", 1, "March 11, 2019"),
        ("MARCH 31ST, 2019", 1, "APRIL 7TH, 2019"),
        ("4 March 2019", 4, "1 April 2019"),
        ("04-Mar-2019", 1, "11-Mar-2019"),
        ("04MAR19", 1, "11MAR19"),
        ("Mar 4", 1, "Mar 11"),
        ("Mar. 4, '19", 1, "Mar. 11, '19"),
        ("Sept. 28, 2019", 1, "Oct. 5, 2019"),
        ("2019-Mar-04", 1, "2019-Mar-11"),
        ("3/4", 1, "3/11"),
        ("12/28", 1, "01/04"),
        ("the 4th of March", 3, "the 25th of March"),
        ("the 30th of December", 1, "the 6th of January"),
        ("the 3rd day of May, 2019", 1, "the 10th day of May, 2019"),
        ("May 2019", 4, "June 2019"),
        ("28-May-2019", 1, "4-Jun-2019"),
        ("03/2019", 4, "04/2019"),
        ("Mar '19", 52, "Mar '20"),
        ("Monday, March 4, 2019", 1, "Monday, March 11, 2019"),
        ("Mon 3/4", 1, "Mon 3/11"),
        ("03/04/2019 10:15 am", 1, "03/11/2019 10:15 am"),
        ("03/04/2019 at 0930", 1, "03/11/2019 at 0930"),
        ("2019-03-04T10:15:00Z", 1, "2019-03-11T10:15:00Z"),
        ("3/4-3/8", 1, "3/11-3/15"),
        ("4 March - 10 March 2019", 1, "11 March - 17 March 2019"),
        ("2/28", 1, "3/7"),
        ("2/28/2020", 1, "3/6/2020"),
        *((value, 1, "[DATE]") for value in (
            "Easter", "31/31", "2/30/2019", "2/29", "March 4-8, 2019", "0930", "December 31, 9999", "12/31/0000", "12/31/1750",
                "1750/3/4", "day 12", "٣/٤/٢٠١٩",
        )),
    ],
)  # fmt: skip
def test_a_moved_date_keeps_its_form(value: str, weeks: int, moved: str) -> None:
    assert shift(value, timedelta(weeks=weeks)) == moved


FORMS = [
    "%Y-%m-%d",
    "%m/%d/%Y",
    "%m.%d.%Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%A, %B %d, %Y",
    "%Y%m%d",
    "%d-%b-%Y %H:%M",
    "%Y-%m-%dT%H:%M:%S",
]


@settings(max_examples=200, deadline=None)
@given(
    *[st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)).map(lambda t: t.replace(microsecond=0))] * 2,
    *[st.sampled_from(FORMS)] * 2,
    st.text(max_size=5),
)
def test_intervals_weekdays_and_times_are_kept(one: datetime, other: datetime, form: str, form2: str, patient: str) -> None:
    def moved(when: datetime, form: str) -> date:
        new = datetime.strptime(made("DATE", when.strftime(form), patient, "shift"), form)
        assert new.time() == datetime.strptime(when.strftime(form), form).time()
        return new.date()

    first, second = moved(one, form), moved(other, form2)
    assert second - first == other.date() - one.date()
    assert first.weekday() == one.weekday() and 0 < abs(first - one.date()).days <= 364


def test_patients_move_by_all_offsets() -> None:
    days = {(date.fromisoformat(made("DATE", "2019-03-04", f"p{n}", "shift")) - date(2019, 3, 4)).days for n in range(1500)}
    assert days == {7 * week for week in range(-52, 53) if week}


# any text

WORDS = st.lists(
    st.text(st.characters(codec="utf-8", categories=["Lu", "Ll", "Lo"]), min_size=2, max_size=12), min_size=1, max_size=4
)
KNOWN = st.lists(st.sampled_from(sorted(names.FEMALE | names.MALE | names.SURNAMES)), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60) | st.text("0123456789/-.: ,'’JanMarthxSTPO", max_size=60), st.lists(st.integers(0, 60), max_size=8),
    st.lists(st.sampled_from([*TYPES, "OTHER"]), min_size=4, max_size=4),
    st.sampled_from(["year", "shift"]), st.text(max_size=4),
)  # fmt: skip
def test_the_rest_of_the_text_stays(
    text: str, cuts: list[int], kinds: list[str], dates: Literal["year", "shift"], patient: str
) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts})
    spans = [Span(*ends, kind) for ends, kind in zip(list(pairwise(places))[::2], kinds, strict=False)]
    engine = Surrogates(KEY, dates)
    result = engine.replace(text, spans, patient)
    expected, done = [], 0
    for span in spans:
        expected += [
            text[done : span.start],
            engine.replace(text[span.start : span.end], [Span(0, span.end - span.start, span.type)], patient),
        ]
        done = span.end
    assert result == "".join([*expected, text[done:]])
    assert result == engine.replace(text, spans, patient) == Surrogates(KEY, dates).replace(text, spans, patient)


@settings(max_examples=200, deadline=None)
@given(WORDS | KNOWN, st.sampled_from(["NAME", "LOCATION", "FACILITY"]), st.sampled_from([str.lower, str.upper, str.title]))
def test_no_word_of_a_name_survives(words: list[str], kind: str, case: Callable[[str], str]) -> None:
    value = " ".join(map(case, words))
    kept = names.NAME_KEPT | names.PARTICLES | names.LOCATION_KEPT | names.FACILITY_KEPT | names.STATES
    kept |= {word.lower() for word in names.POSTAL}
    parts = {word.casefold() for word in PARTS.findall(value) if len(word) > 1} - kept
    taken = words_of(parts)
    assert not parts & {word.casefold() for word in PARTS.findall(made(kind, value, taken=taken))}


@pytest.mark.parametrize(
    ("kind", "value"),
    [("NAME", "Mary Quillfeather"), ("LOCATION", "12 Oak Lane, Fairfield"), ("FACILITY", "Brendan Memorial Hospital"),
     ("MRN", "4417720"), ("PHONE", "(617) 234-9876"), ("SSN", "123-45-6789"), ("EMAIL", "mary@home.com"),
     ("URL", "www.home.com"),
     ("PHOTO", "IMG_44177.jpg")],
)  # fmt: skip
def test_two_patients_and_two_keys_differ(kind: str, value: str) -> None:
    results = [made(kind, value, f"patient {number}") for number in range(20)]
    assert len(set(results)) > 17
    assert Surrogates(b"another key of tests").replace(value, [Span(0, len(value), kind)], "patient 0") != results[0]


def test_the_cache_is_bounded_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = [(f"Smith {n}", [Span(0, 5, "NAME"), Span(6, 7 + (n > 9), "ID")], f"p{n % 7}") for n in range(60)]
    free = Surrogates(KEY)
    expected = [free.replace(*note) for note in notes]
    monkeypatch.setattr(surrogates, "CACHED", 5)
    small = Surrogates(KEY)
    assert [small.replace(*note) for note in notes] == expected
    assert len(small._cache) <= 5 and len(small._owners) <= 5


def test_the_engine_puts_them_in() -> None:
    engine = Deidentifier(KEY, style="surrogate", dates="shift")
    notes = ["Mr. Quillfeather (MRN 441772) came on 3/4/2019.", "Seen on 3/11/2019. QUILLFEATHER is better."]
    first, second = engine.deidentify(notes, ["p", "p"])
    name = first.split()[1]
    assert name != "Quillfeather" and name.upper() in second
    assert "441772" not in first and first.startswith("Mr. ") and second.endswith(" is better.")
