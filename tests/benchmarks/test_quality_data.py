"""The benchmark of quality: what its folders are made of. No text of the open data stands here."""

import csv
import json
import sys
from pathlib import Path

import pytest

from benchmarks.quality_data import ASKED, asked, main, sections, symptoms


def write(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def test_dialogues_are_learned_with_what_was_written_and_the_second_set_is_the_test(tmp_path: Path) -> None:
    names = ("TrainingSet", "ValidationSet", "TestSet-1-MEDIQA-Chat-2023", "TestSet-2-MEDIQA-Sum-2023")
    for name in names:
        with (tmp_path / f"MTS-Dialog-{name}.csv").open("w", encoding="utf-8", newline="") as lines:
            rows = csv.DictWriter(lines, ["ID", "section_header", "section_text", "dialogue"])
            rows.writeheader()
            for number, written in enumerate(("x" * 15, f"x,\n{name}, written")):
                rows.writerow(
                    {"ID": "0", "section_header": f"H{number}", "section_text": written, "dialogue": f"{name} says {number}"}
                )
    made = sections(tmp_path)
    assert [(row["id"], row["patient"], row["label"]) for row in made["train"]] == [
        ("TrainingSet-0", "TrainingSet-0", "H0"),
        ("TrainingSet-1", "TrainingSet-1", "H1"),
        ("TestSet-1-0", "TestSet-1-0", "H0"),
        ("TestSet-1-1", "TestSet-1-1", "H1"),
        ("TrainingSet-1-section", "TrainingSet-1", "H1"),
        ("TestSet-1-1-section", "TestSet-1-1", "H1"),
    ]
    assert made["train"][4]["text"] == "x,\nTrainingSet, written"
    assert [row["text"] for row in made["validation"]] == ["ValidationSet says 0", "ValidationSet says 1"]
    assert [row["text"] for row in made["test"]] == [f"{names[3]} says 0", f"{names[3]} says 1"]


def test_one_text_of_each_diagnosis_chooses_the_epoch_and_the_others_are_learned(tmp_path: Path) -> None:
    for split, labels in (("train", "ab"), ("validation", "bbab"), ("test", "a")):
        rows = [{"id": f"{split}-{number}", "text": "a\u2028b", "label": label} for number, label in enumerate(labels)]
        write(tmp_path / f"{split}.jsonl", rows)
    made = symptoms(tmp_path)
    assert {split: [row["id"] for row in rows] for split, rows in made.items()} == {
        "train": ["train-0", "train-1", "validation-1", "validation-3"],
        "validation": ["validation-0", "validation-2"],
        "test": ["test-0"],
    }


def test_questions_are_asked_for_one_word_and_the_first_ids_choose_the_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["yes"] * 276 + ["no"] * 169 + ["maybe"] * 55
    rows = [{"id": str(1000 - 2 * number), "question": "Is it?", "answer": answer} for number, answer in enumerate(answers)]
    write(tmp_path / "train.jsonl", rows)
    write(tmp_path / "test.jsonl", rows[:3])
    made = asked(tmp_path)
    write(tmp_path / "train.jsonl", rows[9:])
    write(tmp_path / "validation.jsonl", rows[:9])
    assert asked(tmp_path) == made
    assert {row["question"] for part in made.values() for row in part} == {f"Is it?\n\n{ASKED}"}
    assert len(made["train"]) == 450
    chosen = {answer: [int(row["id"]) for row in made["validation"] if row["answer"] == answer] for answer in set(answers)}
    assert {answer: len(ids) for answer, ids in chosen.items()} == {"yes": 28, "no": 17, "maybe": 5}
    assert sorted(chosen["maybe"]) == [2, 4, 6, 8, 10], "the smallest ids, by number"

    monkeypatch.setattr(sys, "argv", ["quality_data.py", "pubmedqa_asked", str(tmp_path), str(tmp_path / "made")])
    main()
    assert capsys.readouterr().out.splitlines()[0].endswith("train.jsonl: 450")
    assert (tmp_path / "made/train.jsonl").read_text(encoding="utf-8").count("\n") == 450
    with pytest.raises(FileExistsError):
        main()
    monkeypatch.setattr(sys, "argv", ["quality_data.py", "other", str(tmp_path), str(tmp_path / "made")])
    with pytest.raises(SystemExit, match="mts_sections"):
        main()
