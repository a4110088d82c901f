"""Cohorts: a planted one is found on validation and measured on test, small ones are not shown, rules can be read."""

import numpy as np
import polars as pl
import pytest

from dxtune.safety.cohorts import TABLE, cohorts


def notes(patients: int, seed: int, planted: bool = True) -> pl.DataFrame:
    """Two notes a patient; long ones of the north are wrong in two of three cases, others in one of twenty."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(patients):
        site = ["north", "south", "harbour", None][number % 4]
        for _ in range(2):
            words = int(rng.integers(20, 200))
            bad = planted and site == "north" and words > 100
            rows.append(
                {
                    "patient_id": f"{seed}-{number}",
                    "text": "word " * words,
                    "site": site,
                    "sex": "FM"[int(rng.integers(0, 2))],
                    "unlike": float(rng.random()),
                    "mistake": float(rng.random() < (0.67 if bad else 0.05)),
                }
            )
    return pl.DataFrame(rows)


def test_a_planted_cohort_is_found_and_measured_on_the_test_notes() -> None:
    validation, test = notes(240, 0), notes(240, 1)
    figures, table = cohorts(validation, test, ["site", "sex"], 200)
    worst = table.row(0, named=True)
    assert "site is north" in worst["cohort"] and "words above" in worst["cohort"]
    assert worst["error"] > 0.4 and worst["gap_low"] > 0.2 and worst["low"] <= worst["error"] <= worst["high"]
    assert figures["worst_cohort_error"] == worst["error"] and figures["cohorts"] == table.height <= 8
    assert table["notes"].sum() == test.height and table["patients"].min() >= 10  # type: ignore[operator]
    limit = float(worst["cohort"].split("words above ")[1].split(" and ")[0])
    rows = (test["site"] == "north").fill_null(False) & (test["text"].str.count_matches("word") > limit)
    if worst["cohort"].count(" and ") == 1:
        assert (worst["notes"], worst["error"]) == (rows.sum(), pytest.approx(test.filter(rows)["mistake"].mean(), abs=1e-6))
    again = cohorts(validation, test, ["site", "sex"], 200)
    assert again[0] == figures and again[1].equals(table)


def test_a_rule_is_read_as_it_is_applied() -> None:
    figures, table = cohorts(notes(240, 0), notes(240, 1), ["site"], 100)
    test = notes(240, 1).with_columns(pl.col("text").str.count_matches("word").alias("words"))
    for row in table.iter_rows(named=True):
        mask = pl.lit(True)
        for part in row["cohort"].split(" and "):
            if " is " in part:
                column, value = part.split(" is ")
                filled = pl.col(column).fill_null("not recorded")
                known = value.removeprefix("not ") if value != "not recorded" else value
                mask &= filled == value if known == value else filled != known
            elif " up to " in part:
                mask &= pl.col(part.split(" up to ")[0]) <= float(part.split(" up to ")[1])
            else:
                mask &= pl.col(part.split(" above ")[0]) > float(part.split(" above ")[1])
        assert abs(test.filter(mask).height - row["notes"]) <= 1, row["cohort"]  # limits are written with four digits
    assert figures["cohorts"] == table.height


def test_a_cohort_of_fewer_than_ten_patients_has_no_figures() -> None:
    few = notes(240, 1).filter((pl.col("site") != "north") | pl.col("site").is_null())
    few = pl.concat([few, notes(12, 2)])
    _, table = cohorts(notes(240, 0), few, ["site"], 100)
    assert not [rule for rule in table["cohort"] if "site is north" in rule]
    figures, table = cohorts(notes(240, 0), notes(9, 3), ["site"], 100)
    assert figures == {"cohorts": 0} and table.schema == pl.Schema(TABLE) and not table.height


def test_without_mistakes_or_with_few_patients_all_notes_are_one_cohort() -> None:
    none = notes(60, 0).with_columns(pl.lit(0.0).alias("mistake"))
    figures, table = cohorts(none, none, ["site"], 100)
    assert table["cohort"].to_list() == ["all notes"] and figures["worst_cohort_error"] == 0
    assert "worst_cohort_gap" not in figures, "there are no others"
    _, table = cohorts(notes(15, 0), notes(40, 1), [], 100)
    assert table["cohort"].to_list() == ["all notes"], "two leaves of ten patients need twenty"


def test_notes_that_differ_in_nothing_known_are_measured_too() -> None:
    plain = notes(40, 0).drop("unlike").with_columns(text=pl.lit("the same"))
    _, table = cohorts(plain, plain, [], 100)
    assert table["error"].to_list() == [pytest.approx(plain["mistake"].mean(), abs=1e-6)]
