"""The bootstrap resamples patients, pairs differences, does not depend on chunks or order, and is fast."""

import time

import numpy as np
import pytest

from dxtune.evaluation import weighted
from dxtune.evaluation.bootstrap import bootstrap, interval, patient_weights


def clustered(patients: int, notes_each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Patients, and whether each note is right: all notes of a patient are right, or none."""
    random = np.random.default_rng(seed)
    return np.repeat(np.arange(patients), notes_each), np.repeat(random.random(patients) < 0.7, notes_each)


def share(values: np.ndarray) -> weighted.Statistic:
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_all_notes_of_a_patient_have_one_weight_and_as_many_patients_are_drawn_as_there_are() -> None:
    patients = np.array(["b", "a", "b", "c"])
    (weights,) = patient_weights(patients, resamples=200, seed=1)
    assert weights.shape == (200, 4)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_chunks_do_not_change_what_is_drawn() -> None:
    patients = np.arange(7) % 3
    whole = np.concatenate(list(patient_weights(patients, 50, seed=5)))
    parts = np.concatenate(list(patient_weights(patients, 50, seed=5, cells=30)))
    assert (whole == parts).all()


def test_order_of_rows_does_not_change_the_values() -> None:
    patients, right = clustered(30, 3)
    shuffle = np.random.default_rng(2).permutation(len(patients))
    one = bootstrap({"share": share(right.astype(float))}, patients, 300, seed=0)["share"]
    other = bootstrap({"share": share(right[shuffle].astype(float))}, patients[shuffle], 300, seed=0)["share"]
    assert (one == other).all()


def test_interval_by_patient_is_wider_than_by_row_on_clustered_notes() -> None:
    patients, right = clustered(40, 6)
    statistic = {"share": share(right.astype(float))}
    by_patient = interval(bootstrap(statistic, patients, 2000, seed=0)["share"])
    by_row = interval(bootstrap(statistic, np.arange(len(patients)), 2000, seed=0)["share"])
    ratio = (by_patient.high - by_patient.low) / (by_row.high - by_row.low)
    assert ratio == pytest.approx(np.sqrt(6), rel=0.15)


def test_interval_by_patient_covers_and_by_row_does_not() -> None:
    covered = {"patient": 0, "row": 0}
    for seed in range(200):
        patients, right = clustered(50, 5, seed)
        statistic = {"share": share(right.astype(float))}
        for kind, clusters in (("patient", patients), ("row", np.arange(len(patients)))):
            found = interval(bootstrap(statistic, clusters, 200, seed)["share"])
            covered[kind] += found.low <= 0.7 <= found.high
    assert covered["patient"] >= 178  # 95 % of 200, less what percentile intervals of 50 patients lose
    assert covered["row"] <= 150


def test_undefined_resamples_are_counted() -> None:
    found = interval(np.array([np.nan, 0.2, 0.2, np.nan]))
    assert (found.low, found.high, found.undefined) == (0.2, 0.2, 2)
    assert interval(np.array([np.nan])).undefined == 1


def test_thousand_resamples_of_all_metrics_take_seconds() -> None:
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(20, size=250), random.dirichlet(np.ones(20), 250)
    start = time.perf_counter()
    bootstrap(weighted.headline(labels, probabilities), random.integers(180, size=250), 1000, seed=0)
    assert time.perf_counter() - start < 5
