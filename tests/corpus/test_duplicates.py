"""corpus/duplicates.py: one note for each text, and never a test note that training has read."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from dxtune.corpus.duplicates import drop_duplicates

NOTES = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["flu", "cold"]), st.sampled_from(["train", "validation", "test"])),
    max_size=12,
)


def frame(rows: list[tuple[str, str, str | None]]) -> pl.DataFrame:
    schema = {"note_id": pl.String, "text": pl.String, "label": pl.String, "split": pl.String}
    return pl.DataFrame([(f"n{at}", *row) for at, row in enumerate(rows)], schema=schema, orient="row")


@given(NOTES)
def test_each_text_is_kept_once_on_the_judging_side(rows: list[tuple[str, str, str | None]]) -> None:
    notes = frame(rows)
    kept, dropped = drop_duplicates(notes)
    assert sorted(kept["text"]) == sorted(set(notes["text"]))
    assert kept.height + dropped.height == notes.height
    order = ["test", "validation", "train"]
    for note_id, text, label, split in kept.iter_rows():
        copies = notes.filter(text=text)
        assert order.index(split) == min(order.index(other) for other in copies["split"])
        assert note_id == copies.filter(split=split)["note_id"][0], "the first of its split"
        assert dropped.filter(kept_id=note_id)["conflicting"].sum() == copies.filter(pl.col("label") != label).height


def test_without_splits_the_first_is_kept() -> None:
    kept, dropped = drop_duplicates(frame([("x", "flu", None), ("y", "flu", None), ("x", "cold", None), ("x", "flu", None)]))
    assert kept["note_id"].to_list() == ["n0", "n1"]
    assert dropped.rows() == [("n2", "n0", True), ("n3", "n0", False)]
