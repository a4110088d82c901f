"""Scores of gold spans: equal to those of shared/tools/score_deid.py; gold files that are wrong; what a report may say."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dxtune.deid import Deidentifier, Span
from dxtune.deid.evaluation import GoldNote, Scores, evaluate, read_gold, report, score, wilson_low
from dxtune.errors import DataError

TOOL = Path(__file__).parents[2].parent / "shared/tools/score_deid.py"
SECRET = "Quillfeather"
ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "text": "Mr. Quillfeather, Ada\nseen 3/4/2019 in OH. Lasix 40 mg, Foley in place.",
        "gold": [[4, 16, "NAME"], [18, 21, "NAME"], [27, 35, "DATE"]],
        "neutral": [[0, 3, "TITLE"], [39, 41, "STATE"]],
        "distract": [[43, 48, "DRUG"], [49, 54, "DOSE"], [56, 61, "EPONYM"]],
    },
    {  # the mark between letters may stay; a letter that is no Latin one may not; an emoji is one character
        "id": 7,
        "text": "\U0001f600 Ole O'Neil,\u2003tel. 555-0142; Łukasz\x85Żak\tcame.",
        "spans": [{"start": 2, "end": 12, "type": "NAME"}, {"start": 19, "end": 27, "type": "PHONE"}, [29, 39, "NAME"]],
        "distract": [{"start": 40, "end": 44, "type": "DRUG"}],
    },
    {"id": "c", "text": "Nothing known here.", "gold": []},
    {"id": "d", "text": "-- and ² and -", "spans": [[0, 2, "ID"], [7, 8, "ID"]], "neutral": None},
]
FOUND = [
    [Span(4, 16, "NAME"), Span(27, 31, "DATE"), Span(40, 46, "LOCATION")],
    [Span(2, 7, "NAME"), Span(8, 12, "NAME"), Span(19, 22, "PHONE"), Span(22, 28, "ID"), Span(29, 36, "NAME")],
    [Span(0, 9, "NAME"), Span(3, 12, "NAME")],
    [],
]
LITERAL = {  # printed by shared/tools/score_deid.py
    "notes": 4,
    "spans": 8,
    "any": 0.625,
    "full": 0.5,
    "notes_full": 0.25,
    "non_phi_lost": 0.2388,
    "distract": {"DOSE": 0.0, "DRUG": 0.5, "EPONYM": 0.0},
    "by_type": {
        "DATE": {"n": 1, "any": 1.0, "full": 0.0, "full_low95": 0.0},
        "ID": {"n": 2, "any": 0.0, "full": 0.5, "full_low95": 0.095},
        "NAME": {"n": 4, "any": 0.75, "full": 0.5, "full_low95": 0.15},
        "PHONE": {"n": 1, "any": 1.0, "full": 1.0, "full_low95": 0.207},
    },
}
REPORT = """\
notes              4
spans              8
misses             5
any           0.3750
full          0.3750
notes_full    0.2500
non_phi_lost  0.1791

type   n     any    full  full_low95
DATE   1  0.0000  0.0000      0.0000
ID     2  0.0000  0.5000      0.0945
NAME   4  0.5000  0.2500      0.0456
PHONE  1  1.0000  1.0000      0.2065

distract  touched
DOSE       0.0000
DRUG       0.0000
EPONYM     0.0000

miss in note  start  end  type  length  unmasked
a                 4   16  NAME      12        12
a                27   35  DATE       8         6"""


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def printed(scores: Scores) -> dict[str, Any]:
    """The scores as score_deid.py prints them."""
    names = ("any", "full", "notes_full", "non_phi_lost")
    return {
        "notes": scores.notes,
        "spans": scores.spans,
        **{name: round(getattr(scores, name), 4) for name in names},
        "distract": {kind: round(share, 3) for kind, share in scores.distract.items()},
        "by_type": {
            kind: {name: round(value, 3) for name, value in of._asdict().items()} for kind, of in scores.by_type.items()
        },
    }


def run_tool(folder: Path, rows: list[dict[str, Any]], found: list[list[Span]]) -> Any:
    if not TOOL.is_file():
        pytest.skip("shared/tools/score_deid.py is not on this machine")
    gold = write(folder / "gold.jsonl", rows)
    predicted = [{"id": row["id"], "spans": spans} for row, spans in zip(rows, found, strict=True)]
    command = [sys.executable, str(TOOL), str(gold), str(write(folder / "predicted.jsonl", predicted))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_a_hand_made_case_scores_as_the_tool_printed_it(tmp_path: Path) -> None:
    scores = score(read_gold(write(tmp_path / "gold.jsonl", ROWS)), FOUND)
    assert printed(scores) == LITERAL
    assert (scores.any, scores.full) == (5 / 8, 4 / 8)
    assert [(miss.note.id, *miss.span, miss.unmasked) for miss in scores.misses] == [
        ("a", 27, 35, "DATE", 4),
        ("a", 18, 21, "NAME", 3),
        ("7", 29, 39, "NAME", 3),
        ("d", 7, 8, "ID", 1),
    ]


def test_the_hand_made_case_is_still_what_the_tool_prints(tmp_path: Path) -> None:
    assert run_tool(tmp_path, ROWS, FOUND) == LITERAL


@pytest.mark.parametrize("seed", range(4))
def test_generated_notes_score_as_the_tool_says(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    letters = "abcXYZ019 \n\t.-'²½٣éŁ中\u0301\u200b\u2028\x1c\x85\u3000_\U0001f600\U0001d7d9\ud800"

    def spans(length: int, number: int, kinds: list[str]) -> list[Span]:
        starts = [rng.randrange(length) for _ in range(number)]
        return [Span(at, min(at + rng.randint(1, 12), length), rng.choice(kinds)) for at in starts]

    rows, found = [], []
    for number in range(60):
        text = "".join(rng.choices(letters, k=rng.randint(1, 300)))
        gold = spans(len(text), rng.randrange(8), ["NAME", "DATE", "GEO"])
        as_objects = [span._asdict() for span in gold]
        row = {"id": number, "text": text, **({"gold": gold} if number % 2 else {"spans": as_objects})}
        row["neutral"] = spans(len(text), rng.randrange(3), ["AGE"])
        row["distract"] = spans(len(text), rng.randrange(4), ["DRUG", "LAB"])
        rows.append(row)
        near = [Span(max(s - rng.randrange(2), 0), e - (e - s > 1 and rng.random() < 0.4), k) for s, e, k in gold]
        found.append([span for span in near if rng.random() < 0.8] + spans(len(text), rng.randrange(4), ["ID"]))
    expected = run_tool(tmp_path, rows, found)
    assert 0 < expected["full"] < expected["any"] < 1
    assert printed(score(read_gold(tmp_path / "gold.jsonl"), found)) == expected


def test_the_wilson_bound_is_that_of_his_formula() -> None:
    assert [round(wilson_low(hits, n), 4) for hits, n in ((10, 10), (8, 10), (1, 2), (0, 5))] == [0.7225, 0.4902, 0.0945, 0.0]


def test_what_is_not_there_has_no_share() -> None:
    scores = score([GoldNote("a", "well", ())], [[]])
    assert str((scores.any, scores.full, scores.notes_full, scores.non_phi_lost)) == "(nan, nan, 1.0, 0.0)"
    assert (scores.by_type, scores.distract, scores.misses) == ({}, {}, ())
    assert "miss in note" not in report(scores, True, 20)
    assert report(score([], []), False, 20)


def test_many_notes_are_fast() -> None:
    text = "Seen by Dr. Quillfeather. " * 93
    gold = tuple(Span(26 * at + 12, 26 * at + 24, "NAME") for at in range(0, 93, 2))
    notes = [GoldNote(str(number), text, gold) for number in range(300)]
    start = time.perf_counter()
    scores = score(notes, [[]] * 300)
    assert time.perf_counter() - start < 1
    assert scores.spans == len(scores.misses) == 300 * 47


@pytest.mark.parametrize(
    "bad", [Span(3, 3, "NAME"), Span(-1, 2, "NAME"), Span(3, 18, "NAME")], ids=["empty", "before", "after"]
)
def test_a_found_span_outside_its_note_is_an_error(bad: Span) -> None:
    with pytest.raises(
        DataError, match=f"note a: expected found spans inside 17 characters, not {bad.start}:{bad.end}"
    ) as error:
        score([GoldNote("a", f"{SECRET} came", ())], [[bad]])
    assert SECRET not in str(error.value)


def test_notes_and_found_spans_go_together() -> None:
    with pytest.raises(ValueError, match="zip"):
        score([GoldNote("a", "", ())], [])


GOOD = {"id": 1, "text": f"{SECRET} came", "gold": []}
WRONG = {
    "broken": (f'{{"id": 1, "text": "{SECRET}', "line 3: expected a json object"),
    "latin": (f'{{"id": 1, "text": "{SECRET} é"}}'.encode("latin-1"), "line 3: expected a json object in UTF-8"),
    "list": ([SECRET], "line 3: expected a json object"),
    "no-text": ({"id": 1, "note": SECRET, "gold": []}, "line 3, text: expected a string, found NoneType"),
    "no-id": ({"text": SECRET, "gold": []}, "line 3, id: expected a whole number, or 1 to 100"),
    "flag-as-id": (GOOD | {"id": True}, "line 3, id: expected"),
    "text-as-id": (GOOD | {"id": SECRET * 9}, "line 3, id: expected"),
    "lines-as-id": (GOOD | {"id": f"{SECRET}\n"}, "line 3, id: expected"),
    "list-as-patient": (GOOD | {"patient_id": [SECRET]}, "line 3, patient_id: expected"),
    "twice": (GOOD | {"id": "0"}, "line 3, id: expected one that no line before has"),
    "no-gold": ({"id": 1, "text": SECRET}, "line 3: expected the key gold or spans"),
    "gold-is-text": (GOOD | {"gold": SECRET}, "line 3, gold: expected a list of"),
    "two-parts": (GOOD | {"gold": [[0, 12]]}, "line 3, gold, span 1: expected [start, end, type]"),
    "not-a-span": (GOOD | {"spans": SECRET, "gold": [SECRET]}, "line 3, gold, span 1: expected [start, end, type]"),
    "no-type": (GOOD | {"distract": [{"start": 0, "end": 12}]}, "line 3, distract, span 1: expected [start, end, type]"),
    "fraction": (GOOD | {"gold": [[0, 1, "NAME"], [0, 1.5, "NAME"]]}, "line 3, gold, span 2: expected"),
    "flag": (GOOD | {"gold": [[False, True, "NAME"]]}, "line 3, gold, span 1: expected"),
    "past-the-end": (GOOD | {"neutral": [[0, 18, "NAME"]]}, "line 3, neutral, span 1: expected [start, end, type] with 0"),
    "negative": (GOOD | {"gold": [[-1, 12, "NAME"]]}, "start < end <= 17"),
    "empty": (GOOD | {"gold": [[4, 4, "NAME"]]}, "start < end <= 17"),
    "text-as-type": (GOOD | {"gold": [[0, 4, SECRET * 9]]}, "line 3, gold, span 1, type: expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_row_is_named_by_file_and_line_and_never_by_text(tmp_path: Path, case: str) -> None:
    row, expected = WRONG[case]
    raw = row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
    (tmp_path / "gold.jsonl").write_bytes(b'{"id": 0, "text": "", "gold": []}\n\r\n' + raw)
    with pytest.raises(DataError) as error:
        read_gold(tmp_path / "gold.jsonl")
    assert str(error.value).startswith(f"{tmp_path}/gold.jsonl, line 3")
    assert expected in str(error.value)
    assert SECRET not in str(error.value)
    assert error.value.__context__ is None  # json's error holds the line


def test_a_file_that_is_absent_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gold.jsonl: expected a readable file of json lines \(FileNotFoundError\)"):
        read_gold(tmp_path / "gold.jsonl")
    with pytest.raises(DataError, match=r"gold.jsonl: expected at least one row"):
        read_gold(write(tmp_path / "gold.jsonl", []))


def test_rows_may_come_with_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a\u2028b", "gold": None}, {"id": 2, "text": "é", "spans": [[0, 1, "ID"]], "patient_id": 0}]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "gold.jsonl").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    expected = [GoldNote("1", "a\u2028b", ()), GoldNote("2", "é", (Span(0, 1, "ID"),), patient_id="0")]
    assert read_gold(tmp_path / "gold.jsonl") == expected


class Listening(Deidentifier):
    """A real engine that remembers whose notes it was given."""

    def spans_of(
        self, texts: Sequence[str], patient_ids: Sequence[str] | None = None, *more: Any, **named: Any
    ) -> list[list[Span]]:
        self.patient_ids = list(patient_ids or ())
        return super().spans_of(texts, patient_ids, *more, **named)


def test_a_note_without_a_patient_is_a_patient_of_its_own(tmp_path: Path) -> None:
    rows = [GOOD | {"id": "p"}, GOOD | {"id": 2, "patient_id": "p"}, GOOD | {"id": 3, "patient_id": "p"}, GOOD | {"id": 4}]
    engine = Listening(b"a key for the tests")
    evaluate(write(tmp_path / "gold.jsonl", rows), engine)
    first, second, third, fourth = engine.patient_ids
    assert second == third == "p"
    assert len({first, second, fourth}) == 3


def test_evaluate_scores_what_the_engine_finds(tmp_path: Path) -> None:
    engine = Deidentifier(b"a key for the tests")
    texts = ["Call (555) 014-2233 or write to q.weiss@example.org today.", "Seen on 3/4/2019 for a cough."]
    rows = [
        {"id": 1, "text": texts[0], "gold": [[5, 19, "PHONE"], [32, 51, "EMAIL"]], "patient_id": "p"},
        {"id": 2, "text": texts[1], "gold": [[8, 16, "DATE"]], "distract": [[23, 28, "WORD"]]},
    ]
    path = write(tmp_path / "gold.jsonl", rows)
    scores = evaluate(path, engine)
    assert scores == score(read_gold(path), engine.spans_of(texts, ["p", "2"]))
    assert (scores.notes, scores.spans, scores.any) == (2, 3, 1.0)


def test_the_report_is_aligned_and_says_text_only_when_asked(tmp_path: Path) -> None:
    scores = score(read_gold(write(tmp_path / "gold.jsonl", ROWS)), [[], *FOUND[1:]])
    assert report(scores, False, 2) == REPORT
    assert report(scores, True, 2).splitlines()[-3:] == [
        "miss in note  start  end  type  length  unmasked  text",
        "a                 4   16  NAME      12        12  'Quillfeather'",
        "a                27   35  DATE       8         6  '3/4/2019'",
    ]
    assert SECRET not in report(scores, False, 99)
    assert SECRET not in repr(scores)
    assert "miss in note" not in report(scores, True, 0)


def test_control_characters_of_a_note_do_not_reach_the_terminal() -> None:
    scores = score([GoldNote("a", "A\x1b[2J\nB\ud800", (Span(0, 8, "NAME"),))], [[]])
    assert report(scores, True, 1).endswith(r"'A\x1b[2J\nB\ud800'")
    assert "\x1b" not in report(scores, True, 1)
