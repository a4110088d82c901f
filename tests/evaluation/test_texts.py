"""evaluation/texts.py: ROUGE against what the package rouge-score 0.1.2 says, and against a table of the textbook."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxtune.evaluation.texts import rouge_l, rouge_n, words

ANSWER, REFERENCE = "Patient takes Salbutamol for asthma daily", "The patient has asthma, and takes salbutamol daily."
TEXT = st.lists(st.sampled_from(["cough", "fever", "rash", "no", "and"]), max_size=12).map(" ".join)


def test_rouge_is_that_of_rouge_score() -> None:
    assert rouge_n(ANSWER, REFERENCE, 1) == pytest.approx(0.7142857142857143)
    assert rouge_n(ANSWER, REFERENCE, 2) == pytest.approx(0.16666666666666666)
    assert rouge_l(ANSWER, REFERENCE) == pytest.approx(0.5714285714285715)


def test_empty_texts_have_nothing_in_common() -> None:
    assert rouge_n("", REFERENCE, 1) == rouge_l("", REFERENCE) == rouge_n("yes", "yes", 2) == rouge_l("", "") == 0


def by_table(left: list[str], right: list[str]) -> int:
    """The longest common subsequence, cell by cell."""
    row = [0] * (len(right) + 1)
    for one in left:
        before, row = row, [0]
        for place, other in enumerate(right):
            row.append(before[place] + 1 if one == other else max(before[place + 1], row[place]))
    return row[-1]


@given(TEXT, TEXT)
def test_rouge_l_is_that_of_the_table(answer: str, reference: str) -> None:
    sizes = len(words(answer)) + len(words(reference))
    expected = 2 * by_table(words(answer), words(reference)) / sizes if sizes else 0
    assert rouge_l(answer, reference) == pytest.approx(expected)
    assert rouge_l(answer, reference) == pytest.approx(rouge_l(reference, answer))
    assert rouge_l(answer, reference) <= rouge_n(answer, reference, 1) + 1e-12
