"""corpus/clean.py: what must hold for any text."""

import unicodedata

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dxtune import records
from dxtune.corpus.clean import clean, drop_short


def cleaned(text: str) -> str:
    return str(clean(pl.DataFrame({"text": [text]})).item())


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("a \t\n \n\n b")
@example("\u0041\x00\u030a")  # a control character between a letter and its accent
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
