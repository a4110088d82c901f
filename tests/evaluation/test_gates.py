"""A release needs every gate, and each one that fails says why."""

import pytest
from scipy.stats import binomtest

from dxtune.evaluation.gates import decide, recall_bound

FIGURES = {"test": {"macro_f1_low": 0.8, "ece_high": 0.06, "notes": 90}, "decision": {"answer_risk_high": 0.1}, "baseline": {}}


def test_each_end_of_an_interval_is_held_against_its_limit() -> None:
    found = decide({"macro_f1_low": 0.8, "answer_risk_high": 0.1}, FIGURES, {})
    assert found["released"] == 1
    assert found["gates"]["macro_f1_low"] == {"limit": 0.8, "found": 0.8, "passed": 1}


def test_one_gate_that_fails_is_enough_and_says_why() -> None:
    found = decide({"macro_f1_low": 0.81, "ece_high": 0.05, "answer_risk_high": 0.2}, FIGURES, {})
    assert found["released"] == 0
    assert found["gates"]["macro_f1_low"]["reason"] == "macro_f1_low is 0.800, wanted is at least 0.81"
    assert found["gates"]["ece_high"]["reason"] == "ece_high is 0.060, wanted is at most 0.05"
    assert "reason" not in found["gates"]["answer_risk_high"]


def test_what_was_not_measured_does_not_pass_and_no_gate_is_no_hindrance() -> None:
    found = decide({"deid_full_recall_low": 0.98}, FIGURES, {"notes": 12})
    assert found["released"] == 0 and found["gates"]["deid_full_recall_low"]["reason"].endswith("was not measured")
    assert decide({}, FIGURES, {}) == {"released": 1, "gates": {}}


def test_a_model_that_learned_canaries_is_never_released() -> None:
    found = decide({"macro_f1_low": 0.8}, FIGURES, {}, 20)
    assert found["released"] == 0 and found["gates"]["macro_f1_low"]["passed"] == 1
    assert "20 made-up secrets" in found["gates"]["canaries"]["reason"]
    assert decide({}, FIGURES, {}, 20)["released"] == 0


@pytest.mark.parametrize(("hits", "spans"), [(983, 1000), (40, 40), (1, 3)])
def test_the_bound_of_recall_is_that_of_scipy(hits: int, spans: int) -> None:
    bound = binomtest(hits, spans).proportion_ci(method="wilson").low
    found = recall_bound({"full_recall": hits / spans, "gold_spans": spans})
    assert found == {"deid_full_recall_low": pytest.approx(bound, abs=1e-6)}
    assert decide({"deid_full_recall_low": bound - 1e-5}, {}, {"full_recall": hits / spans, "gold_spans": spans})["released"]
