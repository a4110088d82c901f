"""corpus/duplicates.py: one note for each text, never a judged note that training has read, and who belongs together."""

from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.corpus.duplicates import drop_duplicates, drop_straddling, group_patients

Row = tuple[str, str, str | None]
NOTES = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["flu", "cold"]), st.sampled_from(["train", "validation", "test"])),
    max_size=12,
)
ORDER = ["test", "validation", "train"]


def frame(rows: list[Row]) -> pl.DataFrame:
    schema = {"note_id": pl.String, "text_hash": pl.String, "answer": pl.String, "split": pl.String}
    return pl.DataFrame([(f"n{at}", *row) for at, row in enumerate(rows)], schema=schema, orient="row")


@given(NOTES)
def test_each_text_is_kept_once_on_the_judging_side(rows: list[Row]) -> None:
    notes = frame(rows)
    kept, dropped = drop_duplicates(notes)
    assert sorted(kept["text_hash"]) == sorted(set(notes["text_hash"]))
    assert kept.height + dropped.height == notes.height
    for note_id, text, answer, split in kept.iter_rows():
        copies = notes.filter(text_hash=text)
        assert ORDER.index(split) == min(ORDER.index(other) for other in copies["split"])
        assert note_id == copies.filter(split=split)["note_id"][0], "the first of its split"
        assert dropped.filter(kept_id=note_id)["conflicting"].sum() == copies.filter(pl.col("answer") != answer).height


def test_without_splits_the_first_is_kept() -> None:
    kept, dropped = drop_duplicates(frame([("x", "flu", None), ("y", "flu", None), ("x", "cold", None), ("x", "flu", None)]))
    assert kept["note_id"].to_list() == ["n0", "n1"]
    reason = "copy of another note"
    assert dropped.rows() == [("n2", "n0", reason, True), ("n3", "n0", reason, False)]


@pytest.mark.parametrize(
    ("rule", "kept_ids", "dropped_rows"),
    [
        ("first", ["n0", "n3"], [("n1", "n0", True), ("n2", "n0", True), ("n4", "n3", False)]),
        ("majority", ["n1", "n3"], [("n0", "n1", True), ("n2", "n1", False), ("n4", "n3", False)]),
        ("drop", ["n3"], [("n0", None, True), ("n1", None, True), ("n2", None, True), ("n4", "n3", False)]),
    ],
)
def test_conflicts_are_resolved_by_rule(
    rule: Literal["first", "majority", "drop"], kept_ids: list[str], dropped_rows: list[tuple[str, str | None, bool]]
) -> None:
    rows: list[Row] = [("x", "flu", None), ("x", "cold", None), ("x", "cold", None), ("y", "flu", None), ("y", "flu", None)]
    kept, dropped = drop_duplicates(frame(rows), rule)
    assert kept["note_id"].to_list() == kept_ids
    assert dropped.select("note_id", "kept_id", "conflicting").rows() == dropped_rows


def test_of_equal_majorities_the_first_note_decides() -> None:
    kept, _ = drop_duplicates(frame([("x", "flu", None), ("x", "cold", None)]), "majority")
    assert kept["note_id"].to_list() == ["n0"]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["train", "validation", "test"])), max_size=12))
def test_no_cluster_is_left_in_two_splits(rows: list[tuple[int, str]]) -> None:
    notes = pl.DataFrame(
        [(f"n{at}", number, split, b"a") for at, (number, split) in enumerate(rows)],
        schema={"note_id": pl.String, "cluster": pl.Int64, "split": pl.String, "answer": pl.Binary},
        orient="row",
    )
    kept, dropped = drop_straddling(notes)
    assert kept.height + dropped.height == notes.height
    for (number,), part in kept.group_by("cluster"):
        assert part["split"].n_unique() == 1
        best = min(notes.filter(cluster=number)["split"], key=ORDER.index)
        assert part.height == notes.filter(cluster=number, split=best).height
    assert kept["cluster"].n_unique() == notes["cluster"].n_unique()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=15))
def test_groups_are_the_connected_patients(pairs: list[tuple[int, int]]) -> None:
    notes = pl.DataFrame({"patient_id": [f"p{patient}" for patient, _ in pairs], "cluster": [number for _, number in pairs]})
    parent = {f"p{patient}": f"p{patient}" for patient, _ in pairs}
    for _ in pairs:  # as many rounds as there can be links in a chain
        for _, part in notes.group_by("cluster"):
            smallest = min(parent[name] for name in part["patient_id"])
            parent |= dict.fromkeys(part["patient_id"], smallest)
        parent = {name: parent[group] for name, group in parent.items()}
    assert dict(group_patients(notes).iter_rows()) == parent
