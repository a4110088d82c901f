"""Makes the folders that benchmarks/quality.py reads where a recipe's source is not its data's own files.

    python benchmarks/quality_data.py mts_sections source/mts_dialog source/mts_sections            # mpnet_mts_dialog
    python benchmarks/quality_data.py symptoms_228 source/symptom_to_diagnosis source/symptoms_228  # mpnet_symptoms
    python benchmarks/quality_data.py pubmedqa_asked source/pubmedqa source/pubmedqa_asked          # qwen_pubmedqa

The recipes say where the data come from and what is made of them. The order of notes in training follows from their ids, and
what is learned from that order: with other ids the figures differ as those of other seeds do.
"""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

Rows = list[dict[str, str]]
Splits = dict[str, Rows]

SHORTEST = 15
"""Characters that a written text needs more than, to be learned: shorter ones, such as `None.`, stand under any header."""
VALIDATION = {"yes": 28, "no": 17, "maybe": 5}
"""Of the 500 questions of PubMedQA that are not for its test: as many of 50 as of all."""
ASKED = "Answer with one word: yes, no or maybe."


def sections(source: Path) -> Splits:
    """MTS-Dialog: dialogues of two sets to learn from, and what was written from each; the test is TestSet-2."""
    files = {
        "TrainingSet": "TrainingSet",
        "TestSet-1": "TestSet-1-MEDIQA-Chat-2023",
        "ValidationSet": "ValidationSet",
        "TestSet-2": "TestSet-2-MEDIQA-Sum-2023",
    }
    read: dict[str, Rows] = {}
    for name, file in files.items():
        with (source / f"MTS-Dialog-{file}.csv").open(encoding="utf-8", newline="") as lines:
            read[name] = list(csv.DictReader(lines))

    def notes(name: str, column: str, ending: str = "") -> Rows:
        numbered = ((f"{name}-{number}", row) for number, row in enumerate(read[name]))
        return [
            {"id": patient + ending, "patient": patient, "text": row[column], "label": row["section_header"]}
            for patient, row in numbered
        ]

    learned = ("TrainingSet", "TestSet-1")
    written = [row for name in learned for row in notes(name, "section_text", "-section") if len(row["text"]) > SHORTEST]
    return {
        "train": [row for name in learned for row in notes(name, "dialogue")] + written,
        "validation": notes("ValidationSet", "dialogue"),
        "test": notes("TestSet-2", "dialogue"),
    }


def symptoms(source: Path) -> Splits:
    """symptom_to_diagnosis: of validation the first text of each diagnosis; the others are learned, after those of train."""
    train, validation, test = (_read(source / f"{split}.jsonl") for split in ("train", "validation", "test"))
    seen: set[str] = set()
    kept, learned = [], []
    for row in validation:
        (learned if row["label"] in seen else kept).append(row)
        seen.add(row["label"])
    return {"train": train + learned, "validation": kept, "test": test}


def asked(source: Path) -> Splits:
    """PubMedQA: each question is followed by ASKED; of the 500 that are not for the test VALIDATION's, the first by PubMed id.

    They are in train.jsonl, all or but for those that stand in validation.jsonl.
    """
    files = {split: source / f"{split}.jsonl" for split in ("train", "validation", "test")}
    rows = {split: [] if split == "validation" and not file.exists() else _read(file) for split, file in files.items()}
    for row in (row for part in rows.values() for row in part):
        row["question"] += f"\n\n{ASKED}"
    learned: Rows = []
    kept: Rows = []
    for row in sorted(rows["train"] + rows["validation"], key=lambda row: int(row["id"])):
        before = sum(each["answer"] == row["answer"] for each in kept)
        (kept if before < VALIDATION[row["answer"]] else learned).append(row)
    return {"train": learned, "validation": kept, "test": rows["test"]}


def _read(file: Path) -> Rows:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


MADE: dict[str, Callable[[Path], Splits]] = {"mts_sections": sections, "symptoms_228": symptoms, "pubmedqa_asked": asked}


def main() -> None:
    if len(sys.argv) != 4 or sys.argv[1] not in MADE:
        sys.exit(__doc__)
    source, target = Path(sys.argv[2]), Path(sys.argv[3])
    made = MADE[sys.argv[1]](source)
    target.mkdir(parents=True)
    for split, rows in made.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (target / f"{split}.jsonl").write_text(text, encoding="utf-8")
        print(f"{target / split}.jsonl: {len(rows)}")


if __name__ == "__main__":
    main()
