"""The arithmetic of a comparison: cases worked out by hand, and other ways to the same figures."""

from collections.abc import Callable
from fractions import Fraction
from math import comb, exp
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from dxtune.comparing.compare import compare_sides, difference, flips, mcnemar
from dxtune.comparing.revisions import Side
from dxtune.comparing.show import LOWER_IS_BETTER, as_json, as_markdown, as_text, escape, shareable
from dxtune.errors import DataError
from dxtune.evaluation.bootstrap import SEED, patient_weights
from dxtune.params import Params

LABELS = ["a", "b", "c"]


@pytest.fixture
def params(params_with: Callable[..., Params]) -> Params:
    return params_with(collect={"subgroup_columns": []}, evaluate={"bootstrap_resamples": 100})


def ids(patients: list[int]) -> dict[str, list[str]]:
    return {"note_id": [f"n{row:03}" for row in range(len(patients))], "patient_id": [f"p{patient}" for patient in patients]}


def side(name: str, task: str, settings: dict[str, Any] | None = None, names: list[str] | None = None, **columns: Any) -> Side:
    return Side(name, task, pl.DataFrame(columns), names or [], settings or {})


def classifier(name: str, truth: list[str], said: list[list[float]], patients: list[int], labels: list[str] = LABELS) -> Side:
    return side(name, "classification", names=labels, **ids(patients), label=truth, probabilities=said)


@pytest.mark.parametrize("pair", [(0, 0), (1, 5), (5, 1), (0, 6), (10, 10), (3, 40), (120, 171)])
def test_mcnemar_is_the_two_sided_binomial_test(pair: tuple[int, int]) -> None:
    total = sum(pair)
    tail = Fraction(sum(comb(total, number) for number in range(min(pair) + 1)), 2**total)
    assert mcnemar(*pair) == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-9)
    assert mcnemar(0, 6) == pytest.approx(2 / 64)  # by hand


def test_a_comparison_by_hand(params: Params) -> None:
    truth = ["a", "a", "b", "b"]
    first = classifier("one", truth, [[0.8, 0.2], [0.4, 0.6], [0.4, 0.6], [0.9, 0.1]], [1, 1, 2, 2], ["a", "b"])
    second = classifier("two", truth, [[0.8, 0.2], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], [1, 1, 2, 2], ["a", "b"])
    figures = compare_sides(first, second, params)
    accuracy, brier = figures["metrics"]["accuracy"], figures["metrics"]["brier"]
    # right: one notes 0 and 2, two notes 0, 1 and 3; with patient 1 alone +1/2, with patient 2 alone 0
    assert (accuracy["a"], accuracy["b"], accuracy["difference"]) == (0.5, 0.75, 0.25)
    assert (accuracy["difference_low"], accuracy["difference_high"], accuracy["verdict"]) == (0.0, 0.5, "no evidence")
    # squared errors a note: one .08 .72 .32 1.62, two .08 .02 .72 .32
    assert (brier["a"], brier["b"], brier["difference"]) == pytest.approx((0.685, 0.285, -0.4))
    assert (brier["difference_low"], brier["difference_high"]) == pytest.approx((-0.45, -0.35))
    assert brier["verdict"] == "better", "lower is better"
    flipped = figures["flipped"]
    assert flipped["only_a_right"] == {"notes": 1, "patients": 1, "note_ids": ["n002"]}
    assert flipped["only_b_right"] == {"notes": 2, "patients": 2, "note_ids": ["n001", "n003"]}
    assert figures["mcnemar_p"] == 1.0  # 2 (1 + 3) / 2^3


@pytest.mark.parametrize(
    ("low", "high", "lower_is_better", "verdict"),
    [
        (0.1, 0.3, False, "better"),
        (0.1, 0.3, True, "worse"),
        (-0.3, -0.1, False, "worse"),
        (-0.3, -0.1, True, "better"),
        (0.0, 0.3, False, "no evidence"),
        (-0.1, 0.1, True, "no evidence"),
        (np.nan, np.nan, False, "no evidence"),
    ],
)
def test_verdict_is_where_the_interval_lies(low: float, high: float, lower_is_better: bool, verdict: str) -> None:
    drawn = np.full(1000, low)
    drawn[500:] = high
    assert difference(0.5, 0.7, np.zeros(1000), drawn, lower_is_better)["verdict"] == verdict


def test_differences_are_those_of_repeated_rows(params: Params) -> None:
    """scikit-learn on the rows of each resample, written out as often as their patient was drawn."""
    random = np.random.default_rng(3)
    truth, patients = random.integers(3, size=60), (np.arange(60) // 3).tolist()
    first, second = (random.dirichlet(np.ones(3) * 0.7, 60) * 0.6 + 0.4 * np.eye(3)[truth] * share for share in (0.7, 1))
    first, second = (values / values.sum(axis=1, keepdims=True) for values in (first, second))
    names = [LABELS[label] for label in truth]
    sides = [classifier(str(number), names, said.tolist(), patients) for number, said in enumerate((first, second))]
    figures = compare_sides(sides[0], sides[1], params)["metrics"]
    (weights,) = patient_weights(sides[0].notes["patient_id"].to_numpy(), 100, SEED)

    def f1(rows: np.ndarray, said: np.ndarray) -> float:
        return float(f1_score(truth[rows], said[rows].argmax(1), labels=[0, 1, 2], average="macro", zero_division=np.nan))

    def auroc(rows: np.ndarray, said: np.ndarray) -> float:
        return float(np.mean([roc_auc_score(truth[rows] == label, said[rows, label]) for label in range(3)]))

    def auprc(rows: np.ndarray, said: np.ndarray) -> float:
        return float(np.mean([average_precision_score(truth[rows] == label, said[rows, label]) for label in range(3)]))

    for name, measured in {"macro_f1": f1, "macro_auroc": auroc, "macro_auprc": auprc}.items():
        repeated = [np.repeat(np.arange(60), row.astype(int)) for row in weights]
        drawn = [measured(rows, second) - measured(rows, first) for rows in repeated]
        low, high = np.quantile(drawn, [0.025, 0.975])
        found = figures[name]
        assert (found["difference_low"], found["difference_high"]) == pytest.approx((low, high), abs=1e-6), name
        assert found["difference"] == pytest.approx(measured(np.arange(60), second) - measured(np.arange(60), first), abs=1e-6)


def test_the_same_model_twice_is_no_evidence_and_no_change_is_seldom_called_one(params: Params) -> None:
    called = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        truth, patients = [LABELS[label] for label in random.integers(3, size=90)], (np.arange(90) // 3).tolist()
        sides = [classifier(str(number), truth, random.dirichlet(np.ones(3), 90).tolist(), patients) for number in range(2)]
        called += compare_sides(sides[0], sides[1], params)["metrics"]["accuracy"]["verdict"] != "no evidence"
    assert called <= 7  # of 40; 2 are expected, and the interval of 30 patients is a little narrow


def test_order_of_rows_and_of_labels_do_not_matter(params: Params) -> None:
    random = np.random.default_rng(0)
    truth, said = [LABELS[label] for label in random.integers(3, size=30)], random.dirichlet(np.ones(3), 30)
    one, two = (classifier(name, truth, values.tolist(), list(range(30))) for name, values in (("1", said), ("2", said[::-1])))
    turned = [LABELS[place] for place in (2, 0, 1)]
    shuffled = classifier("2", truth, said[::-1][:, [2, 0, 1]].tolist(), list(range(30)), turned)
    shuffled = Side("2", "classification", shuffled.notes.sample(fraction=1, shuffle=True, seed=1), turned, {})
    assert compare_sides(one, shuffled, params) == compare_sides(one, two, params)


def test_a_label_that_one_side_does_not_know_has_probability_0_there(params: Params) -> None:
    truth = ["a", "b", "c"] * 4
    knows, not_c = np.eye(3)[[0, 1, 2] * 4], np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]] * 4)
    one = classifier("one", truth, not_c.tolist(), list(range(12)), ["a", "b"])
    figures = compare_sides(one, classifier("two", truth, knows.tolist(), list(range(12))), params)
    assert (figures["metrics"]["accuracy"]["a"], figures["metrics"]["accuracy"]["b"]) == pytest.approx((2 / 3, 1), abs=1e-6)


def test_multilabel_has_each_sides_own_thresholds(params: Params) -> None:
    truth, said = [["a"], ["a", "b"], []], [[0.6, 0.1], [0.6, 0.4], [0.2, 0.3]]
    one, two = (
        side(name, "multilabel", {"thresholds": least}, ["a", "b"], **ids([1, 2, 3]), labels=truth, probabilities=said)
        for name, least in (("one", [0.5, 0.5]), ("two", [0.5, 0.35]))
    )
    figures = compare_sides(one, two, params)
    micro, exact = figures["metrics"]["micro_f1"], figures["metrics"]["exact_match"]
    assert (micro["a"], micro["b"]) == (0.8, 1.0)  # 2 of 3 labels found and none too many: 4 / 5
    assert (exact["a"], exact["b"]) == pytest.approx((2 / 3, 1.0), abs=1e-6)
    assert figures["flipped"]["only_b_right"]["note_ids"] == ["n001"]
    other = side(
        "other", "multilabel", one.settings, ["a", "b"], **ids([1, 2, 3]), labels=[["a"], ["b"], []], probabilities=said
    )
    with pytest.raises(DataError, match="1 in both with another labels or patient"):
        compare_sides(one, other, params)


def test_question_answering_scores_each_answer(params: Params) -> None:
    gold = {"question": ["where?"] * 3, "text": ["left lower lobe"] * 3, "answer": ["left lower lobe", "lobe", ""]}
    one, two = (
        side(name, "question-answering", {"no_answer": 0.0}, **ids([1, 2, 3]), **gold, start=start, end=end, no_answer=none)
        for name, start, end, none in (
            ("one", [0, 11, 0], [10, 15, 4], [-1.0, -1.0, -1.0]),
            ("two", [0, 11, 0], [15, 15, 4], [-1.0, -1.0, 1.0]),
        )
    )
    figures = compare_sides(one, two, params)
    exact, overlap = figures["metrics"]["exact_match"], figures["metrics"]["token_f1"]
    assert (exact["a"], exact["b"]) == pytest.approx((1 / 3, 1.0), abs=1e-6)
    assert (overlap["a"], overlap["b"]) == pytest.approx((1.8 / 3, 1.0), abs=1e-6)  # .8, 1 and 0
    assert figures["flipped"]["only_b_right"]["note_ids"] == ["n000", "n002"]
    assert figures["subgroup_metric"] == "token_f1"


def test_generation_compares_perplexity_only_where_the_tokens_are_the_same(params: Params) -> None:
    response = ["take two tablets a day with food", "yes"]
    one, two, other = (
        side(name, "generation", **ids([1, 2]), response=response, answer=answers, nll=nll, tokens=tokens)
        for name, answers, nll, tokens in (
            ("one", ["take two", "no"], [16.0, 4.0], [8, 2]),
            ("two", response, [8.0, 2.0], [8, 2]),
            ("other", response, [8.0, 2.0], [9, 2]),
        )
    )
    figures = compare_sides(one, two, params)
    perplexity, rouge = figures["metrics"]["perplexity"], figures["metrics"]["rouge_l"]
    assert (perplexity["a"], perplexity["b"], perplexity["verdict"]) == pytest.approx((exp(2), exp(1), "better"), abs=1e-6)
    assert (rouge["a"], rouge["b"]) == pytest.approx((2 * 2 / 9 / 2, 1.0), abs=1e-6)
    assert figures["flipped"]["only_b_right"]["note_ids"] == ["n001"], "the long one is neither right nor wrong"
    assert "perplexity" not in compare_sides(one, other, params)["metrics"]
    long = [Side(s.name, s.task, s.notes.head(1), [], {}) for s in (one, two)]
    figures = compare_sides(long[0], long[1], params)
    assert "flipped" not in figures and "McNemar" not in as_text(figures)


def test_tasks_and_sets_without_a_common_note_are_not_compared(params: Params) -> None:
    one = classifier("one", ["a", "b"], [[1.0, 0.0]] * 2, [1, 2], ["a", "b"])
    with pytest.raises(DataError, match="one is for the task classification, two for generation"):
        compare_sides(one, side("two", "generation", **ids([1])), params)
    far = Side("far", "classification", one.notes.with_columns(pl.format("x{}", "note_id").alias("note_id")), ["a", "b"], {})
    with pytest.raises(DataError, match="no note in common: 2 notes only in one, 2 only in far"):
        compare_sides(one, far, params, intersection=True)


def flipped_by(patients: int) -> dict[str, Any]:
    """Figures of a comparison in which so many patients' notes are right on the second side alone."""
    truth, names = ["a", "b"] * 20, [*range(patients), *[99] * (40 - patients)]
    first = np.array([[0.9, 0.1], [0.1, 0.9]] * 20)
    first[:patients] = 1 - first[:patients]
    sides = [
        classifier("one", truth, first.tolist(), names, ["a", "b"]),
        classifier("two", truth, [[0.9, 0.1], [0.1, 0.9]] * 20, names, ["a", "b"]),
    ]
    return flips(sides[0].notes, (first.argmax(1) == [0, 1] * 20) * 1.0, np.ones(40))


@pytest.mark.parametrize(("patients", "shown"), [(9, False), (10, True), (0, True)])
def test_counts_of_1_to_9_patients_do_not_leave_the_machine(patients: int, shown: bool) -> None:
    figures = {"notes": 40, "patients": 20, "left_out": {}, **flipped_by(patients)}
    cell = shareable(figures)["flipped"]["only_b_right"]
    if shown:
        assert (cell["notes"], cell["patients"], len(cell["note_ids"])) == (patients,) * 3
    else:
        assert shareable(figures)["flipped"] == {name: {"patients_below_10": 1} for name in ("only_a_right", "only_b_right")}
        assert "mcnemar_p" not in shareable(figures) and shareable(figures)["mcnemar_p_below_0.05"]
    assert figures["flipped"]["only_b_right"]["patients"] == patients, "the terminal still has it"


def test_a_small_test_set_has_no_counts_at_all_in_json_and_markdown(params: Params) -> None:
    truth, said = ["a", "b"] * 3, [[0.9, 0.1]] * 6
    one, two = (classifier(name, truth, said, list(range(6)), ["a", "b"]) for name in ("one", "two"))
    figures = compare_sides(one, two, params)
    assert '"notes": 6' not in as_json(figures) and '"patients": 6' not in as_json(figures)
    assert "notes of fewer than 10 patients." in as_markdown(figures)
    assert "6 notes of 6 patients" in as_text(figures)


def test_markdown_reads_nothing_from_data() -> None:
    assert escape("a|b\n<img src=x> @all `c` [d](e) **f**") == (
        "a&#124;b &#60;img src=x&#62; &#64;all &#96;c&#96; &#91;d&#93;(e) &#42;&#42;f&#42;&#42;"
    )


def test_a_long_list_of_ids_is_cut(params: Params) -> None:
    truth, wrong = ["a"] * 30, [[0.1, 0.9]] * 30
    one, two = (
        classifier(name, truth, said, list(range(30)), ["a", "b"])
        for name, said in (("one", wrong), ("two", [[0.9, 0.1]] * 30))
    )
    figures = compare_sides(one, two, params)
    assert "n019 and 10 more: --json" in as_text(figures) and "n020" not in as_text(figures)
    assert "n029" in as_json(figures)


def test_every_metric_knows_which_way_is_better(params: Params) -> None:
    """A model that is calibrated beside a confused one that is too sure: by no metric is it worse, by nearly all better."""
    random = np.random.default_rng(0)
    good = random.dirichlet(np.ones(3) * 0.4, 900)
    truth = [LABELS[random.choice(3, p=row)] for row in good]
    poor = (good * random.dirichlet(np.ones(3), 900)) ** 4
    poor /= poor.sum(axis=1, keepdims=True)
    sides = [classifier(str(n), truth, said.tolist(), list(range(900))) for n, said in enumerate((poor, good))]
    metrics = compare_sides(sides[0], sides[1], params)["metrics"]
    verdicts = {name: cell["verdict"] for name, cell in metrics.items()}
    assert {name for name, verdict in verdicts.items() if verdict != "better"} <= {"calibration_intercept_error"}, verdicts
    assert {name for name in LOWER_IS_BETTER if name in metrics} == {
        "brier", "ece", "calibration_slope_error", "calibration_intercept_error", "overconfidence_error",
    }  # fmt: skip
    assert {name for name, cell in metrics.items() if cell["difference"] < 0} <= LOWER_IS_BETTER


def test_calibration_is_compared_by_how_far_off_it_is(params: Params) -> None:
    """Slopes of 1 / 2 (too sure) and 2 (not sure enough), made by sharpening and flattening calibrated probabilities."""
    random = np.random.default_rng(0)
    good = random.random(4000)
    truth = ["a" if draw < each else "b" for draw, each in zip(random.random(4000), good, strict=True)]
    odds = np.log(good / (1 - good))
    sharp, flat = (1 / (1 + np.exp(-odds * power)) for power in (2, 0.5))
    one, two = (
        classifier(name, truth, np.stack([said, 1 - said], axis=1).tolist(), list(range(4000)), ["a", "b"])
        for name, said in (("sharp", sharp), ("flat", flat))
    )
    slope = compare_sides(one, two, params)["metrics"]["calibration_slope_error"]
    assert (slope["a"], slope["b"]) == pytest.approx((0.5, 1.0), abs=0.1)
    assert slope["verdict"] == "worse"
