"""corpus/sections.py and corpus/boilerplate.py: what is left out of a note, and that nothing else is."""

import polars as pl
import pytest

from dxtune.corpus.boilerplate import count_lines, drop_lines, find_boilerplate
from dxtune.corpus.clean import clean
from dxtune.corpus.sections import HEADERS, SECTIONS, drop_sections, split_sections
from dxtune.errors import ParamsError

NOTE = """Seen in the clinic.
HPI: three days of cough,
worse at night
# PMH
asthma
- Meds: salbutamol
O/E:
T 38.2, crackles
Labs
WBC 14
A&P:
# Community-acquired pneumonia: amoxicillin
PNEUMONIA, LEFT BASE
Discharge Diagnosis: pneumonia
Follow-up:
in a week: call us"""


def sections(text: str) -> list[tuple[str | None, str]]:
    return [(section, line) for _, line, section in split_sections(pl.DataFrame({"text": [text]})).iter_rows()]


def test_lines_belong_to_the_header_above_them() -> None:
    assert [section for section, _ in sections(NOTE)] == [
        None, "history", "history", "past history", "past history", "medication", "exam", "exam", "labs", "labs",
        "assessment", "assessment", "assessment", "diagnosis", "follow-up", "follow-up",
    ]  # fmt: skip


def test_what_states_the_diagnosis_is_left_out_whole() -> None:
    left = drop_sections(pl.DataFrame({"text": [NOTE]}), ("assessment", "diagnosis")).item()
    assert "neumonia" not in left.lower()
    assert left.startswith("Seen in the clinic.\nHPI: three days of cough,")
    assert left.endswith("WBC 14\nFollow-up:\nin a week: call us")


@pytest.mark.parametrize(
    "line", ["He denies: nothing", "S1 and S2 normal", "a cough", "Plan was made", "History of asthma", "10:30"]
)
def test_a_sentence_is_no_header(line: str) -> None:
    assert sections(line) == [(None, line)]


def test_no_section_to_drop_changes_nothing_and_rows_stay_in_place() -> None:
    notes = pl.DataFrame({"text": [NOTE, "", None, "A/P: flu"], "note_id": list("abcd")})
    assert drop_sections(notes, ()) is notes
    dropped = drop_sections(notes, ["assessment"])
    assert dropped["note_id"].to_list() == list("abcd")
    assert dropped["text"].to_list()[1:] == ["", None, ""]


def test_unknown_section_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"expected names of complaint, history.*found impresion: correct it"):
        drop_sections(pl.DataFrame({"text": [NOTE]}), ("impresion",))


def test_every_header_is_in_one_section_and_is_found() -> None:
    assert len(HEADERS) == sum(len(headers) for headers in SECTIONS.values())
    for header, section in HEADERS.items():
        assert sections(f"{header.upper()}: x")[0][0] == section, header


def test_lines_of_most_notes_are_boilerplate_over_all_shards() -> None:
    line = "This report was printed by the ward system."
    rare = "Seen on the round with the team."
    shards = [
        pl.DataFrame({"text": [f"{line}\nnote {at}\n{rare if at == 0 else ''}\n{line}" for at in range(10)]}),
        pl.DataFrame({"text": [f"Note {at}.\n  {line}" if at < 4 else "Short note\nHISTORY:" for at in range(10)]}),
    ]
    counts = [dict(count_lines(shard).iter_rows()) for shard in shards]
    assert find_boilerplate(counts, 20) == (line,), "once a note, however often it stands there"
    assert find_boilerplate(counts, 28) == (), "half is not more than half"
    left = drop_lines(shards[0], (line,))["text"].to_list()
    assert left[:2] == [f"note 0\n{rare}", "note 1"]
    assert drop_lines(shards[0], ()) is shards[0]


def test_headings_are_no_boilerplate_and_clean_text_without_any_keeps_its_bytes() -> None:
    notes = clean(pl.DataFrame({"text": [f"HISTORY:\n\ncough {at}\n\n  PLAN:\nrest" for at in range(30)]}))
    counts = [dict(count_lines(notes).iter_rows())]
    assert find_boilerplate(counts, 30) == ()
    assert drop_lines(notes, ("Another line that is not there",)).equals(notes)
