"""Training speed and quality: the textbook recipe beside ours, in one run, on the same notes, machine and epochs.

    python benchmarks/training_speed.py                  # speed, and both macro-F1: the textbook takes 12 minutes an epoch
    python benchmarks/training_speed.py --quality-epochs 0 --rounds 3    # speed alone; about 4 minutes

Textbook: pad every note to 512 tokens, fp32, transformers' Trainer with its defaults (dropout 0.1, batches of 8 in random
order) and AutoModelForSequenceClassification. Ours: what the stage `train` does, with the settings of params.yaml.

Speed is measured in rounds that take turns (textbook, ours, textbook, ...), each a new process over the same notes, because
the machine may be shared: the median of the ratios counts. The clock runs inside optimiser steps; the whole training, with
the fit of the head, validation and checkpoints, is timed in the second part. Quality is macro-F1 on the test split after whole
runs with as many epochs each. Needs the outputs of `dvc repro tokenize`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from dxtune.evaluation.metrics import macro_f1, softmax
from dxtune.params import Params, load_params
from dxtune.paths import Paths
from dxtune.shards import read_corpus
from dxtune.training.base_model import find_base_model, pad_token_id
from dxtune.training.machine import prepare, resolve_precision
from dxtune.training.trainer import StepClock

PAD_TO = 512


@dataclass
class Run:
    """Seconds inside optimiser steps, of the whole training, and test macro-F1 (None without a test split)."""

    steps_s: float
    whole_s: float
    macro_f1: float | None = None


def textbook(params: Params, splits: dict[str, pl.DataFrame], classes: int, epochs: int) -> Run:
    """The recipe of most tutorials."""
    import torch
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments, set_seed

    torch.set_num_threads(params.train.threads)
    set_seed(params.train.seed)
    base = find_base_model(params.model)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=classes, dtype=torch.float32)
    pad_id = pad_token_id(base)

    def padded(frame: pl.DataFrame) -> list[dict[str, Any]]:
        rows = []
        for ids, label in frame.select("input_ids", "label_id").iter_rows():
            rest = PAD_TO - len(ids)
            rows.append({"input_ids": ids + [pad_id] * rest, "attention_mask": [1] * len(ids) + [0] * rest, "labels": label})
        return rows

    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, use_cpu=True, save_strategy="no", disable_tqdm=True, report_to="none"
        )
        clock = StepClock()
        trainer = Trainer(model=model, args=arguments, train_dataset=padded(splits["train"]), callbacks=[clock])
        started = time.perf_counter()
        trainer.train()
        run = Run(clock.seconds, time.perf_counter() - started)
        if "test" in splits:
            output = trainer.predict(padded(splits["test"]))
            run.macro_f1 = macro_f1(output.label_ids, softmax(output.predictions))
    return run


def ours(params: Params, splits: dict[str, pl.DataFrame], classes: int, epochs: int) -> Run:
    """What the stage `train` does. The whole holds the fit of the head, validation and checkpoints."""
    prepare(params.train.threads, params.train.seed)
    from dxtune.tasks import classification
    from dxtune.training.attention import use_fast_attention
    from dxtune.training.trainer import fit

    base = find_base_model(params.model)
    bf16 = resolve_precision(params.train.precision) == "bf16"
    settings = params.train.model_copy(update={"epochs": epochs, "patience": epochs})
    model = classification.build(base, classes, settings.hidden_dropout, settings.attention_dropout)
    if bf16:
        use_fast_attention(model.encoder)
    pad_id, train = pad_token_id(base), splits["train"]

    validation = splits.get("validation", train.head(1))
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        classification.fit_head(model, train, pad_id, bf16)
        collate, score = partial(classification.collate, pad_id=pad_id, labels=classes), classification.scorer(validation)
        fitted = fit(model, collate, train, validation, score, settings, "bf16" if bf16 else "fp32", Path(folder))
        run = Run(fitted.clock.seconds, time.perf_counter() - started)

    if "test" in splits:
        made = classification.predict(model.eval(), splits["test"], {"pad_token_id": pad_id}, bf16)
        run.macro_f1 = macro_f1(splits["test"]["label_id"].to_numpy(), np.array(made["probabilities"].to_list()))
    return run


def measure(recipe: str, notes: int | None, epochs: int) -> dict[str, float | None]:
    """One recipe in a process of its own: ms per example, and macro-F1 where whole splits are used (notes is None)."""
    command = [sys.executable, __file__, "--child", recipe, "--notes", str(notes or 0), "--epochs", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def child(recipe: str, notes: int, epochs: int) -> None:
    """Runs one recipe and prints its figures as JSON."""
    params, paths = load_params(), Paths()
    train = read_corpus(paths.tokens / "train")
    splits = {"train": train}
    if notes:  # evenly over the lengths, so that a part stands for the whole
        rows = np.linspace(0, train.height - 1, notes).round().astype(int)
        splits["train"] = train.sort("length", "note_id")[rows]
    else:
        splits |= {name: read_corpus(paths.tokens / name) for name in ("validation", "test")}
    classes = len(json.loads((paths.tokens / "labels.json").read_text(encoding="utf-8")))
    run = {"textbook": textbook, "ours": ours}[recipe](params, splits, classes, epochs)
    ms = 1000 / (splits["train"].height * epochs)
    tokens = int(splits["train"]["length"].sum()) / splits["train"].height
    print(json.dumps({"ms": ms * run.steps_s, "whole_ms": ms * run.whole_s, "macro_f1": run.macro_f1, "tokens": tokens}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--notes", type=int, default=96, help="notes a round for the speed")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--quality-epochs", type=int, default=None, help="default: train.epochs; 0: none")
    parser.add_argument("--child")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.notes, arguments.epochs)
        return

    rounds = [
        {name: measure(name, arguments.notes, arguments.epochs) for name in ("textbook", "ours")}
        for _ in range(arguments.rounds)
    ]
    tokens = rounds[0]["ours"]["tokens"]
    print(f"{arguments.notes} notes a round of {tokens:.0f} tokens; ms per example in a step, median of {arguments.rounds}:")
    for name in ("textbook", "ours"):
        print(f"  {name:<9}{statistics.median(each[name]['ms'] for each in rounds):8.1f}")
    ratios = [each["textbook"]["ms"] / each["ours"]["ms"] for each in rounds]
    print(f"ours is {statistics.median(ratios):.1f} times as fast (rounds: {', '.join(f'{ratio:.1f}' for ratio in ratios)})")
    epochs = load_params().train.epochs if arguments.quality_epochs is None else arguments.quality_epochs
    if epochs:
        whole = {name: measure(name, None, epochs) for name in ("textbook", "ours")}
        print(f"test macro-F1 after {epochs} epochs on all training notes, and the time of the whole training:")
        for name, each in whole.items():
            print(f"  {name:<9}{each['macro_f1']:8.3f}   {each['whole_ms']:8.1f} ms per example")


if __name__ == "__main__":
    main()
