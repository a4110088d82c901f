"""The stage evaluate beside what a notebook does, on the same model and notes in one run.

    python benchmarks/evaluate_speed.py             # needs the outputs of `dvc repro`; about a quarter of an hour

ours: `dxtune evaluate` without its start: validation and test notes by length in the model's own precision, the untuned model
on the test notes as a rival; every figure with its interval, subgroups, baselines, thresholds, curves. naive: the same models
and notes in fp32, a note at a time, padded to the most tokens; then of each resample of patients the accuracy, macro F1, AUROC,
AUPRC and Brier by scikit-learn, of all test notes and of each subgroup; without thresholds, curves and the other figures.
Beside it stands what naive takes without the rival and the subgroups. Rounds take turns; the median of the ratios counts.
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

from dxtune.evaluation.subgroups import find_groups
from dxtune.params import Params, load_params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.shards import read_corpus
from dxtune.stages import evaluate


def naive(predictor: Predictor, rows: pl.DataFrame, groups: list[np.ndarray], params: Params) -> float:
    """Predicts one by one, and resamples patients of the test one by one; seconds of the model and all test notes alone.

    groups: of each subgroup which test notes are of it.
    """
    started = time.perf_counter()
    said = predict(predictor, rows, params)
    is_test = rows["split"].to_numpy() == "test"
    said, labels = said[is_test].astype(float), rows["label_id"].to_numpy()[is_test]
    said /= said.sum(axis=1, keepdims=True)
    patients = rows["patient_id"].to_numpy()[is_test]
    resample(said, labels, patients, params.evaluate.bootstrap_resamples)
    alone = time.perf_counter() - started
    predict(predictor, rows.filter(pl.Series(is_test)), params)  # the untuned model has the same layers
    for some in groups:
        resample(said[some], labels[some], patients[some], params.evaluate.bootstrap_resamples)
    return alone


def predict(predictor: Predictor, rows: pl.DataFrame, params: Params) -> np.ndarray:
    """Probabilities of the classes, a note at a time, (notes, classes)."""
    length, model = params.tokenize.max_tokens, predictor.model.eval()
    probabilities = []
    with torch.no_grad():
        for ids in rows["input_ids"]:
            padded = torch.zeros((1, length), dtype=torch.int64)
            padded[0, : len(ids)] = torch.tensor(ids.to_list())
            mask = torch.zeros_like(padded)
            mask[0, : len(ids)] = 1
            probabilities.append(model(padded, mask)["logits"].softmax(-1)[0].numpy())
    return np.stack(probabilities)


def resample(said: np.ndarray, labels: np.ndarray, patients: np.ndarray, times: int) -> None:
    """Five metrics of so many resamples of patients."""
    classes = np.arange(said.shape[1])
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    random = np.random.default_rng(0)
    for _ in range(times):
        drawn = np.concatenate([rows_of[number] for number in random.integers(len(rows_of), size=len(rows_of))])
        own, given = labels[drawn], said[drawn]
        one_hot = own[:, None] == classes
        there = one_hot.any(axis=0)
        accuracy_score(own, given.argmax(axis=1))
        f1_score(own, given.argmax(axis=1), labels=classes, average="macro", zero_division=0.0)
        average_precision_score(one_hot[:, there], given[:, there], average="macro")
        if there.sum() > 1:
            roc_auc_score(one_hot[:, there], given[:, there], average="macro")
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
    notes = tables[1].select("note_id").join(read_corpus(paths.processed / "test"), on="note_id", maintain_order="left")
    groups = [group.rows for group in find_groups(notes, params.collect.subgroup_columns)]
    rows, ratios = pl.concat(tables), []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            apart = replace(paths, root=Path(folder))
            for place in (paths.tokens, paths.processed, paths.model):
                shutil.copytree(place, apart.root / place.relative_to(paths.root))
            apart.metrics.mkdir()
            shutil.copyfile(paths.metrics / "deidentify.json", apart.metrics / "deidentify.json")
            ours = timed(lambda apart=apart: evaluate.run(params, apart))  # type: ignore[misc]
        alone: list[float] = []
        theirs = timed(lambda alone=alone: alone.append(naive(predictor, rows, groups, params)))  # type: ignore[misc]
        ratios.append(theirs / ours)
        print(f"{rows.height} notes, {len(groups)} subgroups: dxtune evaluate {ours:.1f} s, naive {theirs:.1f} s "
              f"({alone[0]:.1f} s without rival and subgroups): {ratios[-1]:.1f} times", flush=True)  # fmt: skip
    print(f"median of {options.rounds}: {statistics.median(ratios):.1f} times (asked: 5)")
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
