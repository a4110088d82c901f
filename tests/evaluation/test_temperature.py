"""The temperature by hand and against scikit-learn's; what it does can be undone."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from dxtune.evaluation.metrics import softmax
from dxtune.evaluation.temperature import TEMPERATURES, fit_temperature, untemper


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose logits are what it is asked about."""

    def fit(self, logits: np.ndarray, labels: np.ndarray) -> "Given":
        self.classes_ = np.unique(labels)
        return self

    def predict(self, logits: np.ndarray) -> np.ndarray:
        return logits.argmax(axis=1)

    def decision_function(self, logits: np.ndarray) -> np.ndarray:
        return logits


def test_by_hand() -> None:
    # Three of four right at the odds e^2: of 3 to 1 only log 3 is deserved, so the temperature is 2 / log 3.
    logits = np.array([[2.0, 0.0]] * 4)
    assert fit_temperature(np.array([0, 0, 0, 1]), logits) == pytest.approx(2 / np.log(3), abs=1e-4)
    assert fit_temperature(np.array([[1], [1], [1], [0]]), logits[:, :1]) == pytest.approx(2 / np.log(3), abs=1e-4)


def test_it_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(4, size=300)
    logits = 3 * (np.eye(4)[labels] * 1.5 + random.normal(size=(300, 4)))
    oracle = CalibratedClassifierCV(FrozenEstimator(Given().fit(logits, labels)), method="temperature").fit(logits, labels)
    expected = oracle.predict_proba(logits)
    np.testing.assert_allclose(softmax(logits / fit_temperature(labels, logits)), expected, atol=2e-3)


def test_certainty_is_never_claimed_and_no_notes_change_nothing() -> None:
    assert fit_temperature(np.array([0, 1]), np.eye(2)) == pytest.approx(TEMPERATURES[0], rel=1e-3)
    assert fit_temperature(np.array([1, 0]), np.eye(2)) == pytest.approx(TEMPERATURES[1], rel=1e-3)
    assert fit_temperature(np.empty(0, dtype=int), np.empty((0, 2))) == 1


def test_it_can_be_undone() -> None:
    logits = np.random.default_rng(1).normal(size=(20, 3)) * 4
    np.testing.assert_allclose(untemper(softmax(logits / 2.5), 2.5, alone=False), softmax(logits), atol=1e-12)
    np.testing.assert_allclose(untemper(expit(logits / 2.5), 2.5, alone=True), expit(logits), atol=1e-9)
