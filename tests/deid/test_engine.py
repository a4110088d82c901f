"""The engine as a whole: no value survives, intervals stay, and its work grows as the text does."""

import re
import time
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.deid import Deidentifier

KEY = b"a key for the tests"
ENGINES = {style: Deidentifier(KEY, style=style) for style in ("placeholder", "surrogate")}
digits = st.integers(0, 9).map(str)
words = st.builds(
    "{}{}".format, st.sampled_from(["Quill", "Zsof", "Tverd", "Okaf", "Brandv"]), st.text("aeiolnrst", min_size=2, max_size=6)
)  # no words of English
VALUES = {
    "MRN: {}": st.text("0123456789", min_size=6, max_size=9),
    "Phone: {} (home)": st.builds("555-{}{}{}-{}{}{}{}".format, *[digits] * 7),
    "SSN {} on file": st.builds("9{}{}-{}{}-{}{}{}{}".format, *[digits] * 8),
    "Write to {} please": st.builds("{}.{}@example.org".format, words.map(str.lower), words.map(str.lower)),
    "Seen {} for a cough": st.dates(date(1990, 1, 1), date(2030, 1, 1)).map(lambda day: f"{day.month}/{day.day}/{day.year}"),
    "Account no. {}": st.builds("{}{}{}{}-{}{}{}{}-{}{}".format, *[digits] * 10),
    "Pacemaker serial number {}": st.builds("PJN{}{}{}{}{}{}S".format, *[digits] * 6),
    "Mr. {} was seen": words,
    "Patient: {}\nShe is well": st.builds("{}, {}".format, words, words),
}  # fmt: skip
FILLED = st.sampled_from(sorted(VALUES)).flatmap(lambda form: st.tuples(st.just(form), VALUES[form]))


@pytest.mark.parametrize("style", ENGINES)
@settings(max_examples=120, deadline=None)
@given(filled=st.lists(FILLED, max_size=5))
def test_no_value_survives(style: str, filled: list[tuple[str, str]]) -> None:
    clean = ENGINES[style].deidentify([". ".join(form.format(value) for form, value in filled)])[0]
    assert not any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", clean) for _, value in filled)


@settings(max_examples=60, deadline=None)
@given(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.integers(0, 4000), st.text("pq7", min_size=1))
def test_intervals_are_kept_under_shift(first: date, days: int, patient: str) -> None:
    engine = Deidentifier(KEY, style="surrogate", dates="shift")
    notes = [f"Seen on {day.isoformat()} for a cough." for day in (first, first + timedelta(days))]
    moved = [date.fromisoformat(clean[8:18]) for clean in engine.deidentify(notes, [patient, patient])]
    assert moved[1] - moved[0] == timedelta(days) and moved[0] != first


# Of each: the search of a pattern would run on to the end and begin anew behind it, or a mark would spread word by word.
ENDLESS = ["12345'", "a12345%", "12345--", "born christmas ", "cpt.christmas.", "x@1.", "A-1-", "a1b", "Dr. Rose, ", "[NAME] "]


@pytest.mark.parametrize("unit", range(len(ENDLESS)))
def test_eight_times_the_text_is_about_eight_times_the_work(unit: int) -> None:
    engine = ENGINES["placeholder"]

    def work(size: int) -> float:
        text = (ENDLESS[unit] * size)[:size]
        least = float("inf")
        for _ in range(2):
            start = time.process_time()
            engine.spans(text)
            least = min(least, time.process_time() - start)
        return least

    work(1000)
    assert work(640_000) < 30 * max(work(80_000), 0.01)  # the square would be 64 times; caches and growth make it up to 12


def test_a_line_of_ten_megabytes() -> None:
    text = "Mr. Rose came 3/4/2019, MRN 441772, with a cough of 5 days. " * 170_000
    spans = ENGINES["placeholder"].spans(text)
    assert len(spans) == 3 * 170_000 and spans[-1].end <= len(text)
