"""How unlike a note is: each respect alone is enough, and notes of the same source are rarely called so."""

import numpy as np
import pytest

from dxtune.evaluation.unlike import FAR, fit_familiar, unlike

random = np.random.default_rng(0)


def notes(number: int, shift: float = 0.0, longer: float = 1.0, unknown: float = 0.0) -> tuple[np.ndarray, ...]:
    lengths = np.round(np.exp(random.normal(5, 0.3, number)) * longer)
    return random.normal(size=(number, 16)) + shift, lengths, np.full(number, unknown)


def test_of_the_same_source_few_are_far_and_of_another_all() -> None:
    familiar = fit_familiar(*notes(400))
    assert (unlike(familiar, *notes(4000)) > FAR).mean() == pytest.approx(0.01, abs=0.01)
    for other in ({"shift": 2.0}, {"longer": 9.0}, {"longer": 0.1}, {"unknown": 0.2}):
        assert (unlike(familiar, *notes(50, **other)) > FAR).all(), other


def test_by_hand() -> None:
    # Lengths e^0 .. e^4 around the median e^2: distances 0 1 1 2 2; vectors and unknown tokens are all alike.
    lengths = np.exp(np.arange(5.0))
    familiar = fit_familiar(np.zeros((5, 2)), lengths, np.zeros(5))
    assert familiar["log_length"] == 2
    found = unlike(familiar, np.zeros((3, 2)), np.exp([2.0, 4.0, 6.0]), np.zeros(3))
    # the middle of them is nowhere; the farthest known ones are as far as a quarter or more; beyond all is 1
    assert found[0] == 0 and found[1] == pytest.approx(max(0, 1 - 3 * (1 - 0.75)), abs=0.02) and found[2] == 1


def test_a_single_note_of_validation_is_enough_to_compare_with() -> None:
    familiar = fit_familiar(np.zeros((1, 2)), np.array([5.0]), np.zeros(1))
    assert unlike(familiar, np.zeros((1, 2)), np.array([5.0]), np.zeros(1)).tolist() == [0]
