"""corpus/clean.py: what must hold for any text."""

import unicodedata

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dxtune import records
from dxtune.corpus.clean import clean, drop_short, repair_encoding


def cleaned(text: str) -> str:
    return str(clean(pl.DataFrame({"text": [text]})).item())


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("a \t\n \n\n b")
@example("\u0041\x00\u030a")  # a control character between a letter and its accent
@example("\u00c2\x08\u00a1")  # and between the halves of mojibake
@example("\u00c2\x81\u00a1")
def test_clean_text_is_clean_and_stays_as_it_is(text: str) -> None:
    result = cleaned(text)
    assert cleaned(result) == result
    assert unicodedata.is_normalized("NFC", result)
    assert not [c for c in result if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert "  " not in result
    assert "\n\n\n" not in result
    assert result == result.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\x0cd\x85e\u2028f", "a\nb\nc\nd\ne\nf"),
        ("Na\t140\tmmol/l \nK\t4.1", "Na\t140\tmmol/l\nK\t4.1"),
        ("a\n \n\t\n\nb", "a\n\nb"),
        ("na\u0131\u0308ve \u00a0 38\u202f°C", "naı̈ve 38 °C"),
        ("bell\x07 and esc\x1b", "bell and esc"),
        ("fever\nPage 2 of 5\ncough", "fever\ncough"),
        ("fever\n- 3 -\n\nPAGE: 4/10 |\ncough\npage 5", "fever\n\ncough"),
        (
            "Ward 4\nDischarge\nHPI: cough\nBP 120/80\nPage 1 of 3\nWard 4\nDischarge\nBP 120/80\nrest\nPage 2 of 3\n"
            "Ward 4 \nDischarge\nPlan: rest\nPage 3 of 3\n",
            "Ward 4\nDischarge\nHPI: cough\nBP 120/80\nBP 120/80\nrest\nPlan: rest",
        ),
        ("Plan: rest\nx\n\x0cPlan: walk\ny", "Plan: rest\nx\n\nPlan: walk\ny"),
        ("see page 2 of the chart\n- 3 - 5 days\n-3", "see page 2 of the chart\n- 3 - 5 days\n-3"),
        ("38\u00c2\u00b0C, the patient\u00e2\u20ac\u2122s na\u00c3\u00afve", "38°C, the patient\u2019s naïve"),
        ("Ângela, São Paulo, Ärzte, 5 € – “ok”", "Ângela, São Paulo, Ärzte, 5 € – “ok”"),
    ],
)
def test_by_hand(text: str, expected: str) -> None:
    assert cleaned(text) == expected


def test_short_notes_are_quarantined_in_the_contract_of_records() -> None:
    notes = pl.DataFrame({"note_id": ["a", "b", "c"], "text": ["é" * 5, "1234", None]})
    kept, quarantine = drop_short(notes, 5)
    assert kept["note_id"].to_list() == ["a"], "characters, not bytes"
    assert dict(quarantine.schema) == records.QUARANTINE
    assert quarantine["row"].to_list() == [2, 3]


@given(st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), min_size=1))
@example("38 °C, naïve, it’s “well”")
def test_text_that_was_read_in_the_wrong_encoding_is_found_and_plain_text_is_left_alone(text: str) -> None:
    plain = str(repair_encoding(pl.DataFrame({"text": [text]})).item())
    if "Â" not in text and "Ã" not in text and "â" not in text and "Ð" not in text and "Ñ" not in text:
        assert plain == text
    ascii_only = "".join(letter for letter in text if letter.isascii())
    assert repair_encoding(pl.DataFrame({"text": [ascii_only]})).item() == ascii_only


def test_rows_without_text_stay_without() -> None:
    assert repair_encoding(pl.DataFrame({"text": [None, "38\u00c2\u00b0C"]}))["text"].to_list() == [None, "38°C"]
