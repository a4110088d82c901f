"""corpus/splits.py: what must hold for any patients, labels and shares."""

import random
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.corpus.checks import check_labels, check_leakage, check_splits, count_labels, list_labels, merge_rare
from dxtune.corpus.splits import by_site, by_time, keep_stable, stratify
from dxtune.errors import DataError, LeakageError


def corpus(patients: int, labels: int, seed: int, most_notes: int = 4) -> pl.DataFrame:
    """Patients with 1 to `most_notes` notes each, whose labels are from common to rare."""
    draw = random.Random(seed)
    rows = []
    for patient in range(patients):
        for _ in range(draw.randint(1, most_notes)):
            label = min(int(draw.expovariate(4 / labels)), labels - 1)
            year = str(draw.randint(2010, 2020))
            at = len(rows)
            rows.append((f"n{at}", f"p{patient}", f"text {at}", [f"d{label}"], at, year, draw.choice("abc"), f"p{patient}"))
    columns = ["note_id", "patient_id", "text_hash", "labels", "cluster", "note_year", "site", "group"]
    return pl.DataFrame(rows, schema=columns, orient="row")


SHARES = st.tuples(st.floats(0.05, 0.3), st.floats(0.05, 0.3))


@settings(max_examples=40, deadline=None)
@given(patients=st.integers(60, 400), labels=st.integers(2, 12), shares=SHARES, seed=st.integers(0, 2**31))
def test_stratified_splits_are_sound(patients: int, labels: int, shares: tuple[float, float], seed: int) -> None:
    notes = corpus(patients, labels, seed)
    result = stratify(notes, *shares, seed)
    assert result.drop("split").equals(notes), "notes and their order stay"
    assert check_leakage(result) == {"shared_patients": 0, "shared_texts": 0, "shared_near_duplicates": 0}
    check_splits(result)
    for split, share in zip(("validation", "test"), shares, strict=True):
        found = result.filter(split=split)["patient_id"].n_unique() / patients
        assert abs(found - share) <= 0.02
    result = result.with_columns(label=pl.col("labels").list.first())
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
    counts = count_labels(stratify(notes, 0.15, 0.1, 13), list_labels(notes.with_columns(posterior_length=0)))
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
            "text_hash": [f"SECRET {i}" for i in range(8)],
            "cluster": range(8),
            "split": ["train"] * 6 + ["test", "validation"],
        }
    )
    with pytest.raises(LeakageError) as caught:
        check_leakage(notes)
    assert "no patients in two splits, found 1, with the notes n0, n1, n2, n3, n4 and others: put all" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_texts_in_two_splits_are_named_by_note() -> None:
    notes = pl.DataFrame(
        {"note_id": ["a", "b"], "patient_id": ["p", "q"], "text_hash": ["SECRET"] * 2, "split": ["train", "test"]}
    )
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
    notes = pl.DataFrame({"labels": [["flu"], ["cold"]], "posterior_length": [2, 2]})
    assert list_labels(notes) == ["cold", "flu"]
    with pytest.raises(DataError, match=r"2 labels, found lengths \[3\]"):
        list_labels(notes.with_columns(posterior_length=3))


def test_near_duplicates_in_two_splits_are_leakage() -> None:
    notes = pl.DataFrame({"note_id": ["a", "b"], "patient_id": ["p", "q"], "text_hash": ["x", "y"], "cluster": [0, 0]})
    with pytest.raises(LeakageError, match="no near duplicates in two splits, found 1, with the notes a, b: "):
        check_leakage(notes.with_columns(split=pl.Series(["train", "test"])))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), ties=st.lists(st.tuples(st.integers(0, 149), st.integers(0, 149)), max_size=30))
def test_tied_patients_are_in_one_split(seed: int, ties: list[tuple[int, int]]) -> None:
    notes = corpus(150, 5, seed)
    groups = {f"p{at}": f"p{at}" for at in range(150)}
    for one, other in ties:
        old, new = groups[f"p{one}"], groups[f"p{other}"]
        groups = {name: new if group == old else group for name, group in groups.items()}
    tied = notes.with_columns(group=pl.col("patient_id").replace_strict(groups))
    result = stratify(tied, 0.15, 0.15, 13)
    assert result.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    shuffled = stratify(tied.sample(fraction=1, shuffle=True, seed=1), 0.15, 0.15, 13)
    assert shuffled.sort("note_id").equals(result.sort("note_id"))
    patients = result.group_by("split").agg(pl.col("patient_id").n_unique())
    assert dict(patients.iter_rows()).get("test", 0) <= 0.15 * 150 + 2, "a large group does not swell the test"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), first=st.integers(1, 299))
def test_stable_splits_never_move_an_old_patient(seed: int, first: int) -> None:
    notes = corpus(300, 4, 5)
    old = notes.filter(pl.col("patient_id").str.slice(1).cast(pl.Int64) < first)
    before, after = keep_stable(old, 0.2, 0.2, seed), keep_stable(notes, 0.2, 0.2, seed)
    assert before.equals(after.join(old.select("note_id"), on="note_id", how="semi", maintain_order="left"))
    assert after.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_stable_shares_hold_in_the_long_run() -> None:
    notes = corpus(20_000, 4, 5, most_notes=1)
    counts = dict(keep_stable(notes, 0.1, 0.2, 13)["split"].value_counts().iter_rows())
    assert abs(counts["validation"] / 20_000 - 0.1) < 0.01
    assert abs(counts["test"] / 20_000 - 0.2) < 0.01


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_temporal_splits_are_in_order_of_the_last_year(seed: int) -> None:
    notes = corpus(100, 4, seed)
    result = by_time(notes, 0.2, 0.15, 13)
    last = result.group_by("patient_id").agg(pl.col("note_year").max(), pl.col("split").unique())
    assert last["split"].list.len().max() == 1
    years = {split: last.filter(pl.col("split").list.contains(split))["note_year"] for split in ("train", "validation", "test")}
    assert [part.len() for part in years.values()] == [65, 20, 15]
    assert years["train"].max() <= years["validation"].min() <= years["validation"].max() <= years["test"].min()
    shuffled = by_time(notes.sample(fraction=1, shuffle=True, seed=2), 0.2, 0.15, 13)
    assert shuffled.sort("note_id").equals(result.sort("note_id"))


def test_temporal_split_needs_years() -> None:
    notes = corpus(3, 1, 0).with_columns(note_year=pl.when(pl.col("patient_id") != "p1").then("note_year"))
    with pytest.raises(DataError, match="found none for 1 of 3: bring the date"):
        by_time(notes, 0.2, 0.2, 13)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_held_out_site_is_only_tested_and_nothing_else_is(seed: int) -> None:
    notes = corpus(100, 4, seed)
    kept, left_over = by_site(notes, "site", ["b"], 0.2, 13)
    assert kept.height + left_over.height == notes.height
    assert set(kept.filter(split="test")["site"]) == {"b"}
    assert "b" not in set(kept.filter(pl.col("split") != "test")["site"])
    assert kept.filter(split="test").height == notes.filter(site="b").height
    assert check_leakage(kept)["shared_patients"] == 0
    assert not set(left_over["patient_id"]) & set(kept.filter(pl.col("split") != "test")["patient_id"])


def test_unknown_site_is_named_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="found no note of x: known there: a, b, c"):
        by_site(corpus(50, 2, 1), "site", ["b", "x"], 0.2, 13)


def test_rare_labels_become_other_in_every_split() -> None:
    notes = pl.DataFrame(
        {
            "labels": [["flu"], ["flu"], ["gout", "scurvy"], ["scurvy"], []],
            "split": ["train", "train", "train", "test", "train"],
        }
    )
    merged, rare = merge_rare(notes, 2)
    assert merged["labels"].to_list() == [["flu"], ["flu"], ["other"], ["other"], []]
    assert rare == ["gout", "scurvy"]
    assert merge_rare(merged, 2)[1] == [], "other itself is never merged"


def test_patients_of_several_labels_belong_to_the_rarest() -> None:
    rows = [(f"p{at}", ["common", "rare"] if at < 10 else ["common"]) for at in range(110)]
    notes = pl.DataFrame(rows, schema=["patient_id", "labels"], orient="row").with_columns(group="patient_id")
    result = stratify(notes, 0.2, 0.2, 13).filter(pl.col("labels").list.contains("rare"))
    assert dict(result["split"].value_counts().iter_rows()) == {"train": 6, "validation": 2, "test": 2}


def test_patients_without_a_label_are_split_like_the_others() -> None:
    notes = pl.DataFrame({"patient_id": [f"p{at}" for at in range(40)], "labels": [[], ["flu"]] * 20})
    result = stratify(notes.with_columns(group="patient_id"), 0.2, 0.2, 13).filter(pl.col("labels").list.len() == 0)
    assert dict(result["split"].value_counts().iter_rows()) == {"train": 12, "validation": 4, "test": 4}
