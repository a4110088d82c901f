"""The stage evaluate beside what a notebook does, on the same model and notes in one run.

    python benchmarks/evaluate_speed.py             # needs the outputs of `dvc repro`; about two minutes

ours: `dxtune evaluate` without its start: validation and test notes by length in the model's own precision; every figure with
its interval, subgroups, baselines, thresholds, curves. naive: the same model and notes in fp32, a note at a time, padded
to the most tokens; then of each resample of patients the accuracy, macro F1, AUROC, AUPRC and Brier by scikit-learn,
without subgroups, baselines and the rest. Rounds take turns; the median of the ratios counts.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score, roc_auc_score

from dxtune.params import Params, load_params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.shards import read_corpus
from dxtune.stages import evaluate


def naive(predictor: Predictor, rows: pl.DataFrame, params: Params) -> None:
    """Predicts one by one, and resamples patients of the test one by one."""
    length, model = params.tokenize.max_tokens, predictor.model.eval()
    probabilities = []
    with torch.no_grad():
        for ids in rows["input_ids"]:
            padded = torch.zeros((1, length), dtype=torch.int64)
            padded[0, : len(ids)] = torch.tensor(ids.to_list())
            mask = torch.zeros_like(padded)
            mask[0, : len(ids)] = 1
            probabilities.append(model(padded, mask)["logits"].softmax(-1)[0].numpy())
    is_test = rows["split"].to_numpy() == "test"
    said, labels = np.stack(probabilities)[is_test].astype(float), rows["label_id"].to_numpy()[is_test]
    said /= said.sum(axis=1, keepdims=True)
    classes = np.arange(said.shape[1])
    patients = rows["patient_id"].to_numpy()[is_test]
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    random = np.random.default_rng(0)
    for _ in range(params.evaluate.bootstrap_resamples):
        drawn = np.concatenate([rows_of[number] for number in random.integers(len(rows_of), size=len(rows_of))])
        own, given = labels[drawn], said[drawn]
        one_hot = own[:, None] == classes
        there = one_hot.any(axis=0)
        accuracy_score(own, given.argmax(axis=1))
        f1_score(own, given.argmax(axis=1), labels=classes, average="macro", zero_division=0.0)
        roc_auc_score(one_hot[:, there], given[:, there], average="macro")
        average_precision_score(one_hot[:, there], given[:, there], average="macro")
        brier_score_loss(own, given, labels=classes)


def timed(work: Callable[[], None]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> float:
    """The median of how many times as fast the stage is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    params, paths = load_params(), Paths()
    predictor = Predictor(paths.model, params.train.threads, "fp32")
    tables = [read_corpus(paths.tokens / split).with_columns(split=pl.lit(split)) for split in ("validation", "test")]
    rows, ratios = pl.concat(tables), []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            apart = replace(paths, root=Path(folder))
            for place in (paths.tokens, paths.processed, paths.model):
                shutil.copytree(place, apart.root / place.relative_to(paths.root))
            apart.metrics.mkdir()
            shutil.copyfile(paths.metrics / "deidentify.json", apart.metrics / "deidentify.json")
            ours = timed(lambda apart=apart: evaluate.run(params, apart))  # type: ignore[misc]
        theirs = timed(lambda: naive(predictor, rows, params))
        ratios.append(theirs / ours)
        print(f"{rows.height} notes: naive {theirs:.1f} s, dxtune evaluate {ours:.1f} s, {ratios[-1]:.1f} times", flush=True)
    print(f"median of {options.rounds}: {statistics.median(ratios):.1f} times (asked: 5)")
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
