"""How often a nominal 95 % interval of a paired difference holds the truth, with and without strata for rare classes.

    python benchmarks/bootstrap_coverage.py        # about a minute

Two models that are equally good, on notes of many classes, one note a patient: the true difference is 0. 600 simulations of
each size, 500 resamples; the standard error of a share of .95 is .009.
"""

import numpy as np

from dxtune.evaluation import weighted
from dxtune.evaluation.bootstrap import bootstrap, interval, rare_strata

SIZES = ((200, 5), (100, 20), (60, 22), (40, 22))  # notes, classes
SIMULATIONS, RESAMPLES = 600, 500


def coverage(notes: int, classes: int, simulations: int = SIMULATIONS) -> dict[str, float]:
    """The share of simulations whose interval holds 0, by how patients are drawn."""
    held = {"without strata": 0, "with strata": 0}
    for seed in range(simulations):
        random = np.random.default_rng(seed)
        truth, patients = random.integers(classes, size=notes), np.arange(notes)
        difference = random.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=notes)
        strata = rare_strata(np.eye(classes, dtype=bool)[truth], patients)
        mean = weighted.mean(difference)
        for how, some in (("without strata", None), ("with strata", strata)):
            found = interval(bootstrap(lambda weights: {"mean": mean(weights)}, patients, RESAMPLES, seed, some)["mean"])  # noqa: B023
            held[how] += found.low <= 0 <= found.high
    return {how: count / simulations for how, count in held.items()}


if __name__ == "__main__":
    for size in SIZES:
        shares = ", ".join(f"{how} {share:.3f}" for how, share in coverage(*size).items())
        print(f"{size[0]} notes of {size[1]} classes: {shares}", flush=True)
