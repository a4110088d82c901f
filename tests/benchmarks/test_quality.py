"""The benchmark of quality: the mean over seeds, with the interval of the mean. Its stages have tests of their own."""

import numpy as np
import pytest

from benchmarks.quality import Run, show
from dxtune.evaluation.headline import single


def test_it_prints_the_mean_of_the_seeds_and_an_interval_around_it(capsys: pytest.CaptureFixture[str]) -> None:
    truth, patients = np.arange(400) % 2, np.arange(400)
    runs = []
    for wrong in (40, 60, 80):
        said = np.where(np.arange(400) < wrong, 1 - truth, truth)
        runs.append(Run(single(truth, np.eye(2)[said]), patients, 0.5))
    show("recipe", runs)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("recipe              accuracy   0.850 (0.8")
    assert first.endswith("seeds 0.900 0.850 0.800, 400 notes, the most frequent answer 0.500")
    low, high = (float(word.strip("()")) for word in (first.split()[3], first.split()[5].rstrip(",")))
    assert 0.81 < low < 0.83 and 0.87 < high < 0.89, "a standard error of .0165: notes are wrong together"
    assert "macro_f1" in second
