"""Alerts, answers and sets: each choice by hand, what it promises on validation, and what it comes to."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score, roc_curve

from dxtune.evaluation import curves
from dxtune.evaluation.headline import Sample, several, single
from dxtune.evaluation.policy import Policy, apply, choose, fit_abstention

TARGETS = {"sensitivity": 0.75, "risk": 0.2, "coverage": 0.8}
SAID = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.2, 0.1])
HAS = np.array([1, 1, 1, 1, 0, 0, 0, 0])


def two(has: np.ndarray, said: np.ndarray) -> Sample:
    """Notes of class 1 or 0, and how likely the model finds class 1."""
    return single(has, np.stack([1 - said, said], axis=1))


def made(seed: int, notes: int, classes: int = 4) -> Sample:
    """Notes of a model that is well calibrated: the class is drawn from what it says."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.4), notes)
    return single((random.random((notes, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1), probabilities)


def figures(sample: Sample, policy: Policy, patients: np.ndarray | None = None) -> dict[str, np.ndarray]:
    named = np.arange(len(sample.truth)).astype(str) if patients is None else patients
    return {name: value[0] for name, value in apply(sample, policy, named)(np.ones((1, len(sample.truth)))).items()}


def test_choices_by_hand() -> None:
    policy = choose(two(HAS, SAID), TARGETS)
    # three of the four with class 1 reach .6; three of the four without it reach 1 - .4
    np.testing.assert_allclose(policy.alert_from, [0.6, 0.6])
    # of n = 4 the floor(5 * .2) = first: each class is possible from its least likely note on
    np.testing.assert_allclose(policy.possible_from, [0.3, 0.3])
    # surest first .9 .9 .8 .8 are right, .7 .7 wrong (class 1 is .7 and .3), .6 .6 right: 2 of 8 wrong is too many, 2 of 6 too
    assert policy.answer_from == pytest.approx(0.8)
    at_specificity = choose(two(HAS, SAID), {"specificity": 0.5, "risk": 0.2, "coverage": 0.8})
    assert at_specificity.alert_from[1] == np.nextafter(0.2, 1), "two of four without class 1 stay below"


def test_what_the_choices_come_to_by_hand() -> None:
    policy = Policy(np.array([0.5, 0.65]), 0.8, np.array([0.35, 0.35]))
    patients = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    found = figures(two(HAS, SAID), policy, patients)
    # class 1 from .65: .9 .8 rightly, .7 wrongly; patients a and c
    assert found["class_alert_sensitivity"][1] == 2 / 4 and found["class_alert_ppv"][1] == pytest.approx(2 / 3)
    assert found["class_alert_per_100_patients"][1] == 50
    assert found["class_alert_net_benefit"][1] == pytest.approx((2 - 1 * 0.65 / 0.35) / 8)
    assert found["class_alert_net_benefit_of_all"][1] == pytest.approx((4 - 4 * 0.65 / 0.35) / 8)
    assert (found["answered_share"], found["answer_risk"]) == (4 / 8, 0)
    # class 1 is possible from .35 on, class 0 to .65: both at .6 and .4; the truth is missed at .3 and at .7
    assert (found["set_coverage"], found["set_size"], found["set_of_one_share"]) == (6 / 8, 10 / 8, 6 / 8)


def test_the_rates_of_alerts_are_those_of_scikit_learn() -> None:
    known, new = made(0, 400), made(1, 300)
    policy = choose(known, {"sensitivity": 0.8, "risk": 0.1, "coverage": 0.9})
    found = figures(new, policy)
    for k in range(4):
        said, score = new.probabilities[:, k] >= policy.alert_from[k], known.probabilities[:, k]
        assert found["class_alert_sensitivity"][k] == pytest.approx(recall_score(new.truth[:, k], said))
        assert found["class_alert_ppv"][k] == pytest.approx(precision_score(new.truth[:, k], said))
        assert found["class_alert_npv"][k] == pytest.approx(precision_score(new.truth[:, k], said, pos_label=0))
        _, sensitivity, thresholds = roc_curve(known.truth[:, k], score, drop_intermediate=False)
        assert policy.alert_from[k] == thresholds[sensitivity >= 0.8].max(), "the greatest threshold that is sensitive enough"


def test_targets_are_met_where_they_were_chosen_and_sets_on_new_notes_too() -> None:
    known = made(2, 800)
    found = figures(known, choose(known, {"specificity": 0.9, "risk": 0.15, "coverage": 0.9}))
    assert (found["class_alert_specificity"] >= 0.9).all() and found["answer_risk"] <= 0.15
    covered = []
    for seed in range(40):
        policy = choose(made(seed, 300), {"sensitivity": 0.9, "risk": 0.1, "coverage": 0.9})
        covered.append(figures(made(seed + 100, 300), policy)["class_set_coverage"])
    assert np.mean(covered, axis=0) == pytest.approx(0.9, abs=0.02), "class by class"


def test_where_no_answers_are_good_enough_none_is_given() -> None:
    wrong = fit_abstention(np.array([0.9, 0.8]), np.array([0.0, 0.0]), 0.1)
    assert wrong > 1
    found = figures(two(HAS, SAID), Policy(np.array([0.5, 0.5]), wrong, np.array([0.0, 0.0])))
    assert found["answered_share"] == 0 and np.isnan(found["answer_risk"])


def test_a_class_that_validation_does_not_have_gets_no_alert_figures_and_stays_possible() -> None:
    policy = choose(two(np.zeros(8, dtype=int), SAID), TARGETS)
    assert np.isnan(policy.alert_from[1]) and np.isnan(policy.possible_from[1])
    found = figures(two(HAS, SAID), policy)
    assert np.isnan(found["class_alert_sensitivity"][1]) and found["class_set_coverage"][1] == 1


def test_several_labels_get_alerts_and_answers_by_hand() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    sample = several(truth, np.where(truth, 0.8, 0.3), np.full(2, 0.5))
    found = figures(sample, choose(sample, TARGETS))
    assert found["alert_sensitivity"] == found["alert_specificity"] == 1
    # F1 of the notes' labels 1, 2/3, 2/3, 1; all decisions right with .9 .9, .6 .8, .8 .7, .6 .8
    sample = several(truth, np.array([[0.9, 0.1], [0.6, 0.8], [0.8, 0.3], [0.4, 0.2]]), np.full(2, 0.5))
    strict, lenient = (choose(sample, TARGETS | {"risk": risk}) for risk in (0.1, 0.2))
    assert (strict.answer_from, lenient.answer_from) == (pytest.approx(0.81), pytest.approx(0.48))
    found = figures(sample, strict)
    assert (found["answered_share"], found["answer_risk"]) == (1 / 4, 0)
    found = figures(sample, lenient)
    assert found["answered_share"] == 1 and found["answer_risk"] == pytest.approx((1 / 3 + 1 / 3) / 4)
    risk = curves.risk_coverage(sample)["risk"]
    assert (risk[24], risk[49], risk[99]) == (0, pytest.approx(1 / 6, abs=1e-6), pytest.approx(1 / 6, abs=1e-6))


def test_sets_of_several_labels_by_hand_and_what_they_promise_of_each_label() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    sample = several(truth, np.array([[0.9, 0.1], [0.6, 0.8], [0.8, 0.3], [0.4, 0.2]]), np.full(2, 0.5))
    found = figures(sample, Policy(np.full(2, 0.5), 0.0, np.array([0.6, 0.5])))
    # sets {0}, {0, 1}, {0}, {}: the third note lacks its label 1, the last one has none to lack
    assert (found["set_coverage"], found["set_size"], found["set_of_one_share"]) == (3 / 4, 4 / 4, 2 / 4)
    assert found["class_set_coverage"].tolist() == [1, 1 / 2] and found["class_possible_from"].tolist() == [0.6, 0.5]

    def drawn(seed: int) -> Sample:
        random = np.random.default_rng(seed)
        said = random.beta(1, 2, size=(300, 3))
        return several(random.random(said.shape) < said, said, np.full(3, 0.5))

    covered = [figures(drawn(seed + 100), choose(drawn(seed), TARGETS))["class_set_coverage"] for seed in range(40)]
    assert np.mean(covered, axis=0) == pytest.approx(0.8, abs=0.02), "label by label"


def test_the_decision_curve_by_hand() -> None:
    table = curves.net_benefit(HAS[:, None], SAID[:, None])
    row = table.filter((table["threshold"] - 0.65).abs() < 1e-9).row(0, named=True)
    assert row["model"] == pytest.approx((2 - 1 * 0.65 / 0.35) / 8, abs=1e-6)
    assert row["all"] == pytest.approx((4 - 4 * 0.65 / 0.35) / 8, abs=1e-6) and row["none"] == 0


def test_the_risk_of_the_surest_answers_by_hand() -> None:
    table = curves.risk_coverage(two(HAS, SAID)).to_dict(as_series=False)
    risk = dict(zip(np.round(table["coverage"], 2).tolist(), table["risk"], strict=True))
    assert risk[0.5] == 0, ".9 .9 .8 .8 are right"
    assert risk[0.75] == pytest.approx(2 / 6, abs=1e-6) and risk[1.0] == pytest.approx(2 / 8)
