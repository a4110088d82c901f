"""How unlike a note is: each respect alone is enough, and notes of the same source are rarely called so."""

import numpy as np
import polars as pl
import pytest

from dxtune.evaluation.unlike import FAR, fit_familiar, unlike

UNKNOWN = 1
random = np.random.default_rng(0)


def read(ids: list[int]) -> str:
    """No text: what is measured here are numbers."""
    return ""


def notes(number: int, shift: float = 0.0, longer: float = 1.0, first: int = 10) -> tuple[np.ndarray, pl.DataFrame]:
    """Vectors in two clusters, and tokens of ids from `first` on, the low ones oftener."""
    lengths = np.maximum(1, np.exp(random.normal(4, 0.3, number)) * longer).astype(int)
    ids = [(first + random.geometric(0.1, length)).tolist() for length in lengths]
    names = [f"{row}" for row in range(number)]
    centres = 4 * (np.arange(number) % 2)[:, None] + shift
    frame = pl.DataFrame(
        {"note_id": names, "patient_id": names, "input_ids": ids}, schema_overrides={"input_ids": pl.List(pl.Int32)}
    )
    return random.normal(size=(number, 8)) + centres, frame


def test_of_the_same_source_few_are_far_and_of_another_all() -> None:
    vectors, tokens = notes(400)
    familiar = fit_familiar(vectors, np.arange(400) % 2, tokens, UNKNOWN, read)
    score = unlike(familiar, *notes(2000), UNKNOWN, read)
    assert (score > FAR).mean() == pytest.approx(0.01, abs=0.012) and score.min() == 0
    for other in ({"shift": 8.0}, {"longer": 9.0}, {"longer": 0.1}, {"first": 500}, {"shift": 2.0, "first": 40}):
        assert (unlike(familiar, *notes(50, **other), UNKNOWN, read) > FAR).mean() > 0.9, other
    between, tokens = np.full((50, 8), 2.0), notes(50)[1]
    assert (unlike(familiar, between, tokens, UNKNOWN, read) > FAR).all(), "near the mean of all, and far from each cluster"


def test_unknown_tokens_alone_are_enough() -> None:
    vectors, tokens = notes(200)
    familiar = fit_familiar(vectors, np.zeros(200, dtype=int), tokens, UNKNOWN, read)
    some = tokens.with_columns(pl.col("input_ids").list.concat(pl.lit([UNKNOWN] * 3, dtype=pl.List(pl.Int32))))
    assert (unlike(familiar, vectors, some, UNKNOWN, read) > FAR).all()


def test_tokens_of_few_patients_are_not_kept() -> None:
    vectors, tokens = notes(30)
    marked = tokens.with_columns(
        pl.when(pl.int_range(pl.len()) < 9)
        .then(pl.lit([999], dtype=pl.List(pl.Int32)))
        .otherwise("input_ids")
        .alias("input_ids")
    )
    assert 999 not in fit_familiar(vectors, np.zeros(30, dtype=int), marked, UNKNOWN, read)["common"]
    one_more = marked.with_columns(
        pl.when(pl.int_range(pl.len()) == 9)
        .then(pl.lit([999], dtype=pl.List(pl.Int32)))
        .otherwise("input_ids")
        .alias("input_ids")
    )
    assert 999 in fit_familiar(vectors, np.zeros(30, dtype=int), one_more, UNKNOWN, read)["common"]
    same = one_more.with_columns(patient_id=pl.lit("p"))
    assert fit_familiar(vectors, np.zeros(30, dtype=int), same, UNKNOWN, read)["common"] == []


def test_windows_of_a_note_are_one_note_and_a_single_note_is_enough() -> None:
    frame = pl.DataFrame(
        {"note_id": ["a", "a", "b"], "patient_id": ["p", "p", "q"], "input_ids": [[10, 11], [12], [10, 11, 12]]}
    )
    familiar = fit_familiar(np.zeros((2, 3)), np.zeros(2, dtype=int), frame, UNKNOWN, read)
    assert unlike(familiar, np.zeros((2, 3)), frame, UNKNOWN, read).tolist() == [0, 0]
    assert familiar["log_length"] == round(float(np.log(3)), 5)


def test_another_language_alone_is_enough() -> None:
    vectors, tokens = notes(40)
    familiar = fit_familiar(vectors, np.zeros(40, dtype=int), tokens, UNKNOWN, lambda ids: "Patient reports a cough and fever.")
    assert familiar["languages"] == ["en"] and set(familiar["respects"]["language"]) == {0.0}
    usual = unlike(familiar, vectors, tokens, UNKNOWN, lambda ids: "Pt c/o cough, f/c x3d.")
    assert usual.tolist() == unlike(familiar, vectors, tokens, UNKNOWN, read).tolist()
    other = unlike(familiar, vectors, tokens, UNKNOWN, lambda ids: "Fieber und Husten seit drei Tagen, dazu Atemnot.")
    assert (other == 1).all()
