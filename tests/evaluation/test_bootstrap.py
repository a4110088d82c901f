"""The bootstrap resamples patients, pairs differences, does not depend on chunks or order, and is fast."""

import numpy as np
import pytest

from dxtune.evaluation.bootstrap import Measure, bootstrap, interval, patient_weights, rare_strata


def clustered(patients: int, notes_each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Patients, and whether each note is right: all notes of a patient are right, or none."""
    random = np.random.default_rng(seed)
    return np.repeat(np.arange(patients), notes_each), np.repeat(random.random(patients) < 0.7, notes_each)


def share(values: np.ndarray) -> Measure:
    return lambda weights: {"share": weights @ values / weights.sum(axis=1)}


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
    one = bootstrap(share(right.astype(float)), patients, 300, seed=0)["share"]
    other = bootstrap(share(right[shuffle].astype(float)), patients[shuffle], 300, seed=0)["share"]
    assert (one == other).all()


def test_interval_by_patient_is_wider_than_by_row_on_clustered_notes() -> None:
    patients, right = clustered(40, 6)
    statistic = share(right.astype(float))
    by_patient = interval(bootstrap(statistic, patients, 2000, seed=0)["share"])
    by_row = interval(bootstrap(statistic, np.arange(len(patients)), 2000, seed=0)["share"])
    ratio = (by_patient.high - by_patient.low) / (by_row.high - by_row.low)
    assert ratio == pytest.approx(np.sqrt(6), rel=0.15)


def test_interval_by_patient_covers_and_by_row_does_not() -> None:
    covered = {"patient": 0, "row": 0}
    for seed in range(200):
        patients, right = clustered(50, 5, seed)
        statistic = share(right.astype(float))
        for kind, clusters in (("patient", patients), ("row", np.arange(len(patients)))):
            found = interval(bootstrap(statistic, clusters, 200, seed)["share"])
            covered[kind] += found.low <= 0.7 <= found.high
    assert covered["patient"] >= 178  # 95 % of 200, less what percentile intervals of 50 patients lose
    assert covered["row"] <= 150


def test_undefined_resamples_are_counted() -> None:
    found = interval(np.array([np.nan, 0.2, 0.2, np.nan]))
    assert (found.low, found.high, found.undefined) == (0.2, 0.2, 2)
    assert interval(np.array([np.nan])).undefined == 1


def test_a_class_of_few_patients_is_in_every_resample_and_alone_it_would_not_be() -> None:
    patients = np.repeat(np.arange(60), 2)
    truth = np.zeros((120, 3), dtype=int)
    truth[:, 0], truth[:6, 1], truth[4:30, 2] = 1, 1, 1  # classes of 60, of 3 and of 13 patients
    strata = rare_strata(truth, patients)
    assert strata.tolist() == [2] * 6 + [0] * 114
    drawn = {
        how: np.concatenate([weights @ truth for weights in patient_weights(patients, 2000, 0, some)])
        for how, some in (("together", None), ("apart", strata))
    }
    assert (drawn["together"][:, 1] == 0).mean() == pytest.approx(np.exp(-3), abs=0.02)
    assert (drawn["apart"][:, 1] == 6).all()
    assert (drawn["apart"][:, 0] == 120).all(), "as many patients as there are"


def test_of_several_rare_classes_the_rarest_decides() -> None:
    truth = np.array([[1, 0], [1, 1], [1, 0], [0, 0]])
    assert rare_strata(truth, np.array(["a", "b", "b", "c"])).tolist() == [1, 1, 1, 0], "one patient is no stratum"
    truth = np.array([[1, 0], [1, 1], [1, 1], [0, 0]])
    assert rare_strata(truth, np.arange(4)).tolist() == [0, 2, 2, 0], "nor is what a rarer class leaves of one"


def test_intervals_cover_with_many_classes_of_few_patients() -> None:
    covered = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        truth = np.eye(22, dtype=int)[random.integers(22, size=60)]
        difference = random.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=60)  # of two models that are equally good
        strata = rare_strata(truth, np.arange(60))
        found = interval(bootstrap(share(difference), np.arange(60), 300, seed, strata)["share"])
        covered += found.low <= 0 <= found.high
    assert covered >= 182, "95 % of 200 is 190; drawing as many patients of a stratum as it has covers in some 175"
