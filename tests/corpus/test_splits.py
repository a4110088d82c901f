"""corpus/splits.py: what must hold for any patients, labels and shares."""

import random
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.corpus.splits import check_labels, check_leakage, check_splits, count_labels, map_labels, stratify
from dxtune.errors import DataError, LeakageError


def corpus(patients: int, labels: int, seed: int, most_notes: int = 4) -> pl.DataFrame:
    """Patients with 1 to `most_notes` notes each, whose labels are from common to rare."""
    draw = random.Random(seed)
    rows = []
    for patient in range(patients):
        for _ in range(draw.randint(1, most_notes)):
            label = min(int(draw.expovariate(4 / labels)), labels - 1)
            rows.append((f"n{len(rows)}", f"p{patient}", f"text {len(rows)}", f"d{label}"))
    return pl.DataFrame(rows, schema=["note_id", "patient_id", "text", "label"], orient="row")


SHARES = st.tuples(st.floats(0.05, 0.3), st.floats(0.05, 0.3))


@settings(max_examples=40, deadline=None)
@given(patients=st.integers(60, 400), labels=st.integers(2, 12), shares=SHARES, seed=st.integers(0, 2**31))
def test_stratified_splits_are_sound(patients: int, labels: int, shares: tuple[float, float], seed: int) -> None:
    notes = corpus(patients, labels, seed)
    result = stratify(notes, *shares, seed)
    assert result.drop("split").equals(notes), "notes and their order stay"
    assert check_leakage(result) == {"shared_patients": 0, "shared_texts": 0}
    check_splits(result)
    for split, share in zip(("validation", "test"), shares, strict=True):
        found = result.filter(split=split)["patient_id"].n_unique() / patients
        assert abs(found - share) <= 0.02
    in_train = set(result.filter(split="train")["label"])
    first_labels = result.with_columns(pl.col("patient_id").n_unique().over("label").alias("n")).sort(
        "patient_id", "n", "label"
    )
    assert set(first_labels.unique("patient_id", keep="first")["label"]) <= in_train, "no stratum is only judged"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_stratified_splits_do_not_depend_on_the_order_of_notes(seed: int) -> None:
    notes = corpus(120, 6, seed)
    shuffled = notes.sample(fraction=1, shuffle=True, seed=seed % 1000)
    by_id = stratify(notes, 0.15, 0.15, 13).sort("note_id")
    assert stratify(shuffled, 0.15, 0.15, 13).sort("note_id").equals(by_id)
    assert stratify(notes, 0.15, 0.15, 13).sort("note_id").equals(by_id), "the same each time"


def test_another_seed_gives_another_split() -> None:
    notes = corpus(100, 4, 1)
    assert not stratify(notes, 0.15, 0.15, 13).equals(stratify(notes, 0.15, 0.15, 14))


def test_patients_of_one_label_are_in_proportion_to_one_patient() -> None:
    notes = corpus(2000, 30, 5, most_notes=1)
    counts = count_labels(stratify(notes, 0.15, 0.1, 13), sorted(notes["label"].unique()))
    for splits in counts.values():
        patients = sum(splits.values())
        assert abs(splits["test"] - 0.1 * patients) <= 1
        assert abs(splits["validation"] - 0.15 * patients) <= 1


def test_a_new_patient_moves_few_others() -> None:
    notes = corpus(1001, 8, 3, most_notes=1)
    before = stratify(notes.filter(pl.col("patient_id") != "p1000"), 0.15, 0.15, 13)
    after = stratify(notes, 0.15, 0.15, 13)
    assert before.join(after, on="note_id").filter(pl.col("split") != pl.col("split_right")).height <= 2 * 8


def test_a_hundred_thousand_patients_are_split_in_seconds() -> None:
    notes = corpus(100_000, 50, 7, most_notes=2)
    start = time.perf_counter()
    stratify(notes, 0.15, 0.15, 13)
    assert time.perf_counter() - start < 5


def test_patients_in_two_splits_are_named_by_note_up_to_five() -> None:
    notes = pl.DataFrame(
        {
            "note_id": [f"n{i}" for i in range(8)],
            "patient_id": ["p1"] * 7 + ["p2"],
            "text": [f"SECRET {i}" for i in range(8)],
            "split": ["train"] * 6 + ["test", "validation"],
        }
    )
    with pytest.raises(LeakageError) as caught:
        check_leakage(notes)
    assert "no patients in two splits, found 1, with the notes n0, n1, n2, n3, n4 and others: put all" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_texts_in_two_splits_are_named_by_note() -> None:
    notes = pl.DataFrame({"note_id": ["a", "b"], "patient_id": ["p", "q"], "text": ["SECRET"] * 2, "split": ["train", "test"]})
    with pytest.raises(LeakageError, match="no texts in two splits, found 1, with the notes a, b: ") as caught:
        check_leakage(notes)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train", "test"], "found none in validation"),
        (["train"], "found none in validation and test"),
        (["train", "validation", "test", None], r"found another or none for 1 \(n3\)"),
        (["train", "validation", "test", "dev"], r"found another or none for 1 \(n3\)"),
    ],
)
def test_every_split_has_notes_and_every_note_a_split(splits: list[str | None], message: str) -> None:
    notes = pl.DataFrame({"note_id": [f"n{i}" for i in range(len(splits))], "split": splits})
    with pytest.raises(DataError, match=message):
        check_splits(notes)


def test_too_few_patients_is_an_error_not_an_empty_split() -> None:
    with pytest.raises(DataError, match="found none in validation and test: bring more patients"):
        check_splits(stratify(corpus(2, 2, 0), 0.15, 0.15, 13))


def test_rare_labels_are_named_with_counts() -> None:
    counts = {f"d{i:02}": {"train": i, "validation": 1, "test": 1} for i in range(15)}
    with pytest.raises(DataError) as caught:
        check_labels(counts, min_notes=12)
    assert "at least 12 training notes for each label, found fewer for 'd00' (0), 'd01' (1)" in str(caught.value)
    assert "'d09' (9) and 2 more: bring" in str(caught.value)


def test_posterior_and_labels_must_agree() -> None:
    notes = pl.DataFrame({"label": ["flu", "cold"], "posterior": [[0.2, 0.8], [0.6, 0.4]]})
    assert map_labels(notes)[1] == ["cold", "flu"]
    with pytest.raises(DataError, match=r"2 labels, found lengths \[3\]"):
        map_labels(notes.with_columns(posterior=pl.lit([0.2, 0.3, 0.5])))
