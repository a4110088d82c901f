"""safety/perturbations.py: notes written otherwise, the same way each time, and never more than was meant."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.records import PLACEHOLDER
from dxtune.safety import perturbations
from dxtune.safety.perturbations import PERTURBATIONS, perturb

NOTE = (
    "[NAME] MRN [MRN] seen [DATE-2019]\nHPI: Patient complains of shortness of breath with exertion. No fever, denies cough.\n"
    "PMH: history of hypertension, no diabetes mellitus.\nEXAM: temperature 38.5, BP 120/80, lungs clear\nPLAN: rest"
)
PIECES = st.one_of(
    st.text(max_size=20), st.sampled_from([*perturbations.SHORTER, *perturbations.LONGER, *perturbations.OPPOSITE])
)
TEXTS = st.lists(
    st.one_of(PIECES, st.sampled_from(["[NAME]", "[DATE-2019]", "HPI:", "\nPLAN: ", ". ", " ", "\n"])), max_size=12
)


@pytest.mark.parametrize("name", PERTURBATIONS)
@settings(deadline=None, max_examples=100)
@given(pieces=TEXTS)
def test_any_text_gives_a_text_the_same_one_each_time_with_all_its_placeholders(name: str, pieces: list[str]) -> None:
    text = "".join(pieces)
    made = PERTURBATIONS[name](text)
    assert made == PERTURBATIONS[name](text)
    found, kept = (sorted(match[0] for match in PLACEHOLDER.finditer(each)) for each in (text, made))
    assert kept == found
    assert sorted(re.findall("[0-9]", made)) == sorted(re.findall("[0-9]", text)), "numbers stay"
    made.encode()


def test_each_changes_a_note_in_its_own_way() -> None:
    made = {name: some["text"][0] for name, some in perturb(pl.DataFrame({"text": [NOTE]})).items()}
    assert set(made) == set(PERTURBATIONS) and len(set(made.values())) == len(made)
    words, typed = NOTE.split(), made["typos"].split()
    assert len(words) == len(typed)
    mistyped = [pair for pair in zip(words, typed, strict=True) if pair[0] != pair[1]]
    assert 1 <= len(mistyped) <= -(-len(re.findall(r"[A-Za-z]{4,}", NOTE)) // 10)
    assert all(len(a) == len(b) for a, b in mistyped)
    assert "Pt c/o SOB w/ exertion" in made["abbreviated"] and "HTN" in made["abbreviated"]
    assert "blood pressure 120/80" in made["spelled_out"]
    assert "denies shortness of breath without exertion. fever, reports cough" in made["negations"]
    assert made["reordered"].splitlines()[0] == NOTE.splitlines()[0], "what stands before the first section stays there"
    assert sorted(made["reordered"].splitlines()) == sorted(NOTE.splitlines())
    assert made["reordered"].splitlines()[1:] == NOTE.splitlines()[:0:-1]
    assert made["lower_case"].startswith("[NAME] mrn [MRN] seen [DATE-2019]\nhpi: patient")


@pytest.mark.parametrize(
    ("text", "flipped", "again"),
    [
        ("DENIES FEVER", "reports FEVER", "denies FEVER"),
        ("w/o pain", "w/ pain", "w/o pain"),
        ("There is no rash.", "There is rash.", "There is no rash."),
        ("No rash.", "rash.", "rash."),
        ("Account no. 7, nothing known", "Account no. 7, nothing known", "Account no. 7, nothing known"),
    ],
)
def test_what_is_denied_is_affirmed_and_the_other_way_round_where_a_cue_says_so(text: str, flipped: str, again: str) -> None:
    assert perturbations.flip_negations(text) == flipped
    assert perturbations.flip_negations(flipped) == again


def test_notes_that_nothing_changes_are_left_out_and_questions_stay() -> None:
    notes = pl.DataFrame({"note_id": ["a", "b"], "text": ["ok.", "Seen by us"], "question": ["Is it SOB?", "Is it Flu?"]})
    made = perturb(notes)
    assert set(made) == {"typos", "lower_case"}
    assert made["lower_case"].rows() == [("b", "seen by us", "Is it Flu?")]
