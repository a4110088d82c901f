"""deid/fields.py and the stage: questions, answers and responses hold no identifiers either, and answers are found again."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dxtune import records, shards
from dxtune.corpus.answers import find_answers
from dxtune.corpus.clean import clean
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.stages import deidentify

NOTE = "Mr. Quillfeather (MRN 441772) came on 3/4/2019. Dr. Oonagh Brandivale gave him aspirin. Aspirin helped."


def raw(task: str, **columns: object) -> pl.DataFrame:
    row = {"note_id": "n1", "patient_id": "p1", "note_date": "2019-03-04", "text": NOTE, "split": None, **columns}
    extra = {"question": pl.String} if "question" in columns else {}
    return pl.DataFrame([row], schema={**records.columns(task), **extra})


def run(frame: pl.DataFrame, folder: Path, params: Params) -> pl.DataFrame:
    paths = Paths(folder)
    shards.write_corpus(frame, paths.raw)
    deidentify.run(params, paths)
    kept = (paths.metrics / "deidentify.json").read_text() + paths.deidentified.joinpath("manifest.json").read_text()
    assert "Quillfeather" not in kept
    assert json.loads((paths.metrics / "deidentify.json").read_text())["notes"] == 1
    return shards.read_corpus(paths.deidentified)


@pytest.fixture
def params(params_with: Callable[..., Params], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def make(task: str, style: str) -> Params:
        question = "q" if task == "question-answering" else None
        collect = {"source": "table", "question_column": question, "subgroup_columns": []}
        return params_with(task=task, collect=collect, deidentify={"key": "public", "style": style}, tokenize=LONG_NOTES[task])

    return make


LONG_NOTES = {task: {"long_notes": "windows" if task == "question-answering" else "truncate"} for task in records.TARGETS}


@pytest.mark.parametrize("style", ["placeholder", "surrogate"])
@pytest.mark.parametrize("answer", ["Dr. Oonagh Brandivale", "Brandivale gave him aspirin", "aspirin", "Aspirin", ""])
def test_an_answer_is_found_in_the_clean_note(tmp_path: Path, params: Callable[..., Params], style: str, answer: str) -> None:
    start = NOTE.find(answer) if answer else None
    asked = raw("question-answering", question="Who saw Quillfeather?", answer=answer, answer_start=start)
    out = run(asked, tmp_path, params("question-answering", style))
    assert out.columns == list(records.deidentified("question-answering"))
    note = out.row(0, named=True)
    assert "Quillfeather" not in note["question"] and "Brandivale" not in note["answer"] + note["text"]
    if style == "placeholder":
        assert note["question"] == "Who saw [NAME]?"
    if not answer:
        assert (note["answer"], note["answer_start"]) == ("", None)
    else:
        assert note["text"][note["answer_start"] :].startswith(note["answer"])
        assert note["answer"].endswith(answer.rsplit(maxsplit=1)[-1]) or answer.endswith("Brandivale")


def test_a_response_and_the_question_of_a_label_are_masked_and_labels_stay(
    tmp_path: Path, params: Callable[..., Params]
) -> None:
    written = run(raw("generation", response="Quillfeather had aspirin."), tmp_path / "a", params("generation", "placeholder"))
    assert written["response"].to_list() == ["[NAME] had aspirin."]
    coded = run(raw("multilabel", labels=["pain", "fever"]), tmp_path / "b", params("multilabel", "placeholder"))
    assert coded["labels"].to_list() == [["pain", "fever"]]
    asked = raw("classification", label="yes", question="Is Quillfeather well?")
    paired = run(asked, tmp_path / "c", params("classification", "placeholder"))
    assert paired.columns == [*records.deidentified("classification"), "question"]
    assert paired["question"].to_list() == ["Is [NAME] well?"]


def test_an_answer_is_found_again_after_cleaning_or_known_to_be_gone() -> None:
    text = "Page 2 of 5\r\npain  today.\r\n\r\n\r\nNo  pain before.\r\nsevere  chest pain"
    rows = [("pain", text.index("pain")), ("pain", text.index("pain", 30)), ("chest  pain", None), ("chest pain", 62)]
    rows[3] = ("severe  chest pain", text.index("severe"))
    before = pl.DataFrame(
        [("abcd"[number], text, answer, start) for number, (answer, start) in enumerate(rows)],
        schema={"note_id": pl.String, "text": pl.String, "answer": pl.String, "answer_start": pl.Int64},
        orient="row",
    )
    found = find_answers(before, clean(before))
    cleaned = found["text"][0]
    expected = [cleaned.index("pain"), cleaned.index("pain", 12), None, cleaned.index("severe chest pain")]
    assert found["answer_start"].to_list() == expected
    assert found["answer"].to_list() == ["pain", "pain", "chest pain", "severe chest pain"]
    gone = before.with_columns(text=pl.lit("nothing of it"))
    assert find_answers(before, gone)["answer_start"].to_list() == [None] * 4
