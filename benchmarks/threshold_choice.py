"""Thresholds of a multilabel model: all labels' decisions lend to each, beside each label's own best F1 alone.

    dxtune params apply recipes/minilm_hoc.yaml collect.path=DATA && dvc repro evaluate
    python benchmarks/threshold_choice.py data/predictions.parquet            # a few seconds

Validation alone is read: thresholds are fitted on two thirds of its notes and judged on the rest, sixty times at random.
"""

import sys

import numpy as np
import polars as pl

from dxtune.evaluation.multilabel import fit_thresholds, macro_f1, micro_f1, multi_hot

DIVISIONS = 60


def own_best(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Each label's threshold as if there were no other label."""
    return np.concatenate([fit_thresholds(*each) for each in zip(truth.T[..., None], probabilities.T[..., None], strict=True)])


def main(file: str) -> dict[str, float]:
    """The mean micro-F1 of each way on the notes that it was not fitted on."""
    rows = pl.read_parquet(file).filter(split="validation").sort("note_id")
    probabilities = np.array(rows["probabilities"].to_list())
    truth = multi_hot(rows["label_ids"], probabilities.shape[1])
    rng, found = np.random.default_rng(1), {}
    orders = [rng.permutation(len(truth)) for _ in range(DIVISIONS)]
    for name, way in (("each label alone", own_best), ("with all labels", fit_thresholds)):
        scores = []
        for order in orders:
            seen, rest = np.split(order, [len(order) * 2 // 3])
            guess = probabilities[rest] >= way(truth[seen], probabilities[seen])
            scores.append((micro_f1(truth[rest], guess), macro_f1(truth[rest], guess)))
        micro, macro = np.mean(scores, axis=0)
        print(f"{name:<18}micro-F1 {micro:.3f}, macro-F1 {macro:.3f}, {len(truth)} notes of validation")
        found[name] = float(micro)
    return found


if __name__ == "__main__":
    main(sys.argv[1])
