"""How long 10,000 patient resamples of 10,000 notes take, beside drawing rows and calling scikit-learn.

    python benchmarks/bootstrap_speed.py

All headline figures of ten classes and every rate of each class, on one thread. The naive way computes accuracy, macro F1,
macro AUROC, macro AUPRC and Brier of a few resamples; its time for all is extrapolated.
"""

import time

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score, roc_auc_score

from dxtune.evaluation.bootstrap import bootstrap
from dxtune.evaluation.headline import measure, single

NOTES, CLASSES, RESAMPLES, NAIVE = 10_000, 10, 10_000, 10


def main() -> None:
    """Prints seconds of both, wall and processor, and their ratio."""
    random = np.random.default_rng(0)
    labels = random.integers(CLASSES, size=NOTES)
    probabilities = random.dirichlet(np.ones(CLASSES), NOTES) + np.eye(CLASSES)[labels] * random.random((NOTES, 1))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    patients = random.integers(NOTES * 2 // 3, size=NOTES)

    wall, processor = time.perf_counter(), time.process_time()
    drawn = bootstrap(measure(single(labels, probabilities), bins=10), patients, RESAMPLES, seed=0)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    figures = sum(value[0].size for value in drawn.values())
    print(
        f"vectorised: {RESAMPLES} resamples of {NOTES} notes, {figures} figures: {wall:.1f} s wall, {processor:.1f} s processor"
    )

    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    start = time.process_time()
    for _ in range(NAIVE):
        rows = np.concatenate([rows_of[patient] for patient in random.integers(len(rows_of), size=len(rows_of))])
        own, said = labels[rows], probabilities[rows]
        accuracy_score(own, said.argmax(axis=1))
        f1_score(own, said.argmax(axis=1), average="macro")
        roc_auc_score(np.eye(CLASSES)[own], said, average="macro")
        average_precision_score(np.eye(CLASSES)[own], said, average="macro")
        brier_score_loss(own, said, labels=range(CLASSES))
    naive = (time.process_time() - start) * RESAMPLES / NAIVE
    print(f"one by one: 5 figures: {naive:.0f} s processor, {naive / processor:.0f} times as long")


if __name__ == "__main__":
    main()
