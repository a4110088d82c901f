"""The line of calibration by hand and against scikit-learn; its one step of Newton against fitting anew."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as oracle_loss

from dxtune.evaluation.calibration import line, line_of, log_loss
from dxtune.evaluation.temperature import log_odds


def made(seed: int, notes: int, slope: float = 0.5, intercept: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Who has each of three classes, and what a model said that is too sure by 1 / slope."""
    random = np.random.default_rng(seed)
    said = random.normal(size=(notes, 3)) * 2
    return (random.random((notes, 3)) < expit(slope * said + intercept)).astype(int), expit(said)


def test_by_hand() -> None:
    # Said .8 (log 4) and .2 (-log 4); true in 3 of 5 and 2 of 5: the log-odds are +-log 1.5.
    truth = np.array([[1, 1, 1, 0, 0, 1, 1, 0, 0, 0]]).T
    found = line(truth, np.array([[0.8] * 5 + [0.2] * 5]).T)
    np.testing.assert_allclose(found, [np.log(1.5) / np.log(4), 0], atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_logistic_regression_of_scikit_learn(seed: int) -> None:
    truth, probabilities = made(seed, 200)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds(probabilities).reshape(-1, 1), truth.ravel())
    np.testing.assert_allclose(line(truth, probabilities), [oracle.coef_[0, 0], oracle.intercept_[0]], atol=1e-5)


def test_where_no_line_is_best_it_is_nan() -> None:
    assert np.isnan(line(np.array([[1], [0]]), np.array([[0.9], [0.1]]))).all(), "truth and its contrary are apart"
    assert np.isnan(line(np.array([[1], [0]]), np.array([[0.5], [0.5]]))).all(), "no spread"
    assert np.isnan(line(np.array([[1], [1]]), np.array([[0.5], [0.9]]))).all(), "never the contrary"
    assert np.isnan(line(np.empty((0, 2)), np.empty((0, 2)))).all()


def test_one_step_of_a_resample_is_close_to_a_fit_and_exact_on_the_notes_themselves() -> None:
    truth, probabilities = made(7, 250)
    random = np.random.default_rng(0)
    weights = np.array([np.bincount(random.integers(250, size=250), minlength=250) for _ in range(60)], dtype=float)
    stepped = line_of(truth, probabilities)(np.vstack([np.ones(250), weights]))
    np.testing.assert_allclose(stepped[0], line(truth, probabilities), atol=1e-9)
    rows = [np.repeat(np.arange(250), row.astype(int)) for row in weights]
    fitted = np.array([line(truth[some], probabilities[some]) for some in rows])
    assert np.abs(stepped[1:] - fitted).max() < 0.1 * np.ptp(fitted, axis=0).max(), "a tenth of how far resamples differ"


def test_the_surprise_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    probabilities, labels = random.dirichlet(np.ones(3), 40), random.integers(3, size=40)
    assert log_loss(np.eye(3)[labels], probabilities, alone=False) == pytest.approx(oracle_loss(labels, probabilities))
    truth, said = made(3, 40)
    each = [oracle_loss(truth[:, k], said[:, k], labels=[0, 1]) for k in range(3)]
    assert log_loss(truth, said, alone=True) == pytest.approx(sum(each))
