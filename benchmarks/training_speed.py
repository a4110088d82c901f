"""Training speed and quality: the textbook recipe, transformers' own best flags, and ours, in one run on the same notes.

    python benchmarks/training_speed.py                  # speed, and each macro-F1: the textbook takes 12 minutes an epoch
    python benchmarks/training_speed.py --quality-epochs 0 --rounds 3    # speed alone; about 12 minutes

textbook: pad every note to 512 tokens, fp32, transformers' Trainer with its defaults (dropout 0.1, batches of 8 in random
order) and AutoModelForSequenceClassification. flags: the same model and Trainer with the flags that help on this machine: notes
grouped by length and padded to the longest of a batch, bf16 autocast, fused AdamW, our batch size. flags, no dropout: also the
model's dropout at 0, which is no flag but a line. ours: what the stage `train` does, with the settings of params.yaml. ours,
last layers: the same with model.method: last_n_layers and model.last_layers: 3; what its frozen layers say is computed once a
run, and each epoch bears its part of that (1 of train.epochs).

Speed is measured in rounds that take turns (textbook, flags, ours, textbook, ...), each a new process over the same notes,
because the machine may be shared: the median of the ratios counts. The clock runs inside optimiser steps, after the first
eight, in which a new process touches its memory for the first time and kernels are made for each shape; the whole training,
with these, the fit of the head, validation and checkpoints, is timed in the second part. Quality is macro-F1 on the test
split after whole runs with as many epochs each. Peak: of the process, its memory; of the processor, the bf16 (or fp32) matrix
products of 4 * 512 rows that torch can do in a second, of which a step's own (6 operations for each weight and token, and
attention's) are a share. Where the rest goes: torch's profile of ours. Needs the outputs of `dvc repro tokenize`.
"""

import argparse
import json
import resource
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
from dxtune.tasks.notes import unknown_id
from dxtune.training.base_model import find_base_model, load_tokenizer, pad_token_id
from dxtune.training.callbacks import StepClock
from dxtune.training.machine import prepare, resolve_precision

PAD_TO = 512
OURS = ("ours", "ours, last layers")
RECIPES = ("textbook", "flags", "flags, no dropout", *OURS)
LAST = 3
"""Layers that learn in the last recipe, of six: what the others say is computed once (tasks/frozen.py)."""

WARM = 8
"""Steps that the clock leaves out."""


@dataclass
class Run:
    """Seconds of an example within steps, of the whole training, and test macro-F1 (None without a test split)."""

    example_s: float
    whole_s: float
    macro_f1: float | None = None


def transformers_own(recipe: str, params: Params, splits: dict[str, pl.DataFrame], classes: int, epochs: int) -> Run:
    """The recipe of most tutorials, or the same with the flags that help."""
    import torch
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments, set_seed

    torch.set_num_threads(params.train.threads)
    set_seed(params.train.seed)
    base = find_base_model(params.model)
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0} if recipe == "flags, no dropout" else {}
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=classes, dtype=torch.float32, **none)
    pad_id = pad_token_id(base)
    flags: dict[str, Any] = {}
    if recipe != "textbook":
        flags = {
            "per_device_train_batch_size": params.train.batch_size,
            "train_sampling_strategy": "group_by_length",
            "bf16": resolve_precision(params.train.precision) == "bf16",
            "optim": "adamw_torch_fused",
        }

    def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
        return [{"input_ids": ids, "labels": label} for ids, label in frame.select("input_ids", "label_id").iter_rows()]

    def collate(some: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = PAD_TO if recipe == "textbook" else max(len(row["input_ids"]) for row in some)
        ids = [row["input_ids"] + [pad_id] * (longest - len(row["input_ids"])) for row in some]
        mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in some]
        return {name: torch.tensor(value) for name, value in
                (("input_ids", ids), ("attention_mask", mask), ("labels", [row["labels"] for row in some]))}  # fmt: skip

    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, use_cpu=True, save_strategy="no", disable_tqdm=True, report_to="none", **flags
        )
        clock = StepClock()
        trainer = Trainer(model, arguments, train_dataset=rows(splits["train"]), data_collator=collate, callbacks=[clock])
        started = time.perf_counter()
        trainer.train()
        run = Run(an_example(clock, splits["train"].height * epochs), time.perf_counter() - started)
        if "test" in splits:
            trainer.args.train_sampling_strategy = "random"  # by length, predict gives its rows back in another order
            output = trainer.predict(rows(splits["test"]))
            run.macro_f1 = macro_f1(output.label_ids, softmax(output.predictions))
    return run


def ours(recipe: str, params: Params, splits: dict[str, pl.DataFrame], classes: int, epochs: int) -> Run:
    """What the stage `train` does. The whole holds the fit of the head, validation and checkpoints."""
    if recipe == "ours, last layers":
        method = params.model.model_copy(update={"method": "last_n_layers", "last_layers": LAST})
        params = params.model_copy(update={"model": method})
    prepare(params.train.threads, params.train.seed)
    from dxtune.tasks import classification
    from dxtune.tasks.frozen import Frozen
    from dxtune.training.attention import use_fast_bf16
    from dxtune.training.method import adapt
    from dxtune.training.trainer import fit
    from dxtune.training.vocabulary import Vocabulary

    base = find_base_model(params.model)
    bf16 = resolve_precision(params.train.precision) == "bf16"
    settings = params.train.model_copy(update={"epochs": epochs, "patience": epochs})
    model = classification.build(base, classes, settings.hidden_dropout, settings.attention_dropout)
    if bf16:
        use_fast_bf16(model.encoder)
    pad_id, train = pad_token_id(base), splits["train"]

    validation = splits.get("validation", train.head(1))
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        classification.fit_head(model, train, pad_id, bf16)
        model.encoder = adapt(model.encoder, params.model)
        words = Vocabulary(model.encoder, (train, validation), pad_id)
        words.narrow(model.encoder)
        fitting, checking = words.renumber(train), words.renumber(validation)
        collate, score = partial(classification.collate, pad_id=pad_id, labels=classes), classification.scorer(checking)
        frozen = Frozen(model, params, (fitting, checking), Path(folder))
        reading = time.perf_counter()
        (fitting, checking), collate = frozen.read((fitting, checking), collate, pad_id, bf16)
        reading = (time.perf_counter() - reading) / (params.train.epochs * train.height)
        fitted = fit(model, collate, fitting, checking, score, settings, "bf16" if bf16 else "fp32", Path(folder))
        frozen.give_back()
        words.widen(model.encoder)
        run = Run(an_example(fitted.clock, train.height * epochs) + reading, time.perf_counter() - started)

    if "test" in splits:
        model.tokenizer = load_tokenizer(base)
        known: dict[str, Any] = {"pad_token_id": pad_id, "unk_token_id": unknown_id(model.tokenizer)}
        known |= classification.fit(model.eval(), validation, known, bf16)
        made = classification.predict(model, splits["test"], known, bf16)
        run.macro_f1 = macro_f1(splits["test"]["label_id"].to_numpy(), np.array(made["probabilities"].to_list()))
    return run


def an_example(clock: StepClock, examples: int) -> float:
    """The mean seconds of an example of the steps after the first ones (of a run of few steps: of all)."""
    return statistics.mean(clock.seconds[WARM:] or clock.seconds) * len(clock.seconds) / examples


def measure(recipe: str, notes: int | None, epochs: int) -> dict[str, Any]:
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
    if recipe == "profile":
        profile(params, splits, classes)
        return
    make = partial(ours if recipe in OURS else transformers_own, recipe)
    run = make(params, splits, classes, epochs)
    rows = splits["train"].height
    lengths = splits["train"]["length"].to_numpy().astype(float)
    figures = {
        "ms": 1000 * run.example_s,
        "whole_ms": 1000 * run.whole_s / rows / epochs,
        "macro_f1": run.macro_f1,
        "tokens": lengths.mean(),
    }
    figures |= {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)}
    if recipe == "ours":
        config = json.loads((find_base_model(params.model) / "config.json").read_text(encoding="utf-8"))
        layers, hidden, inner = (config[name] for name in ("num_hidden_layers", "hidden_size", "intermediate_size"))
        weights = layers * (4 * hidden * hidden + 2 * hidden * inner)
        products = 6 * weights * lengths + 3 * layers * 4 * hidden * lengths**2
        figures["of_peak"] = float(products.mean()) / run.example_s / matmul_peak(params)
    print(json.dumps(figures))


def matmul_peak(params: Params) -> float:
    """Operations a second of the largest products that a step has: rows of four long notes, a layer's inner weights."""
    import torch

    kind = torch.bfloat16 if resolve_precision(params.train.precision) == "bf16" else torch.float32
    left, right = torch.randn(2048, 384, dtype=kind), torch.randn(384, 1536, dtype=kind)
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return 2.0 * 2048 * 384 * 1536 / statistics.median(seconds)


def profile(params: Params, splits: dict[str, pl.DataFrame], classes: int) -> None:
    """Prints where the time of ours goes."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as torch_profile

    with torch_profile(activities=[ProfilerActivity.CPU]) as made:
        ours("ours", params, splits, classes, 1)
    events = sorted(made.key_averages(), key=lambda event: -event.self_cpu_time_total)
    every = sum(event.self_cpu_time_total for event in events)
    print("".join(f"  {event.key[:44]:<46}{event.self_cpu_time_total / every:6.1%}\n" for event in events[:12]), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--notes", type=int, default=192, help="notes a round for the speed")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--quality-epochs", type=int, default=None, help="default: train.epochs; 0: none")
    parser.add_argument("--child")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.notes, arguments.epochs)
        return

    rounds = [{name: measure(name, arguments.notes, arguments.epochs) for name in RECIPES} for _ in range(arguments.rounds)]
    tokens = rounds[0]["ours"]["tokens"]
    print(f"{arguments.notes} notes a round of {tokens:.0f} tokens; in a step, median of {arguments.rounds}:")
    print(f"  {'':<20}{'ms per example':>16}{'tokens a second':>18}{'peak memory, GB':>18}  so many times as fast, by round:")
    for name in RECIPES:
        ms, memory = (statistics.median(each[name][figure] for each in rounds) for figure in ("ms", "peak_gb"))
        print(f"  {name:<20}{ms:16.1f}{1000 * tokens / ms:18,.0f}{memory:18.2f}", end="")
        for own in OURS:
            ratios = [each[name]["ms"] / each[own]["ms"] for each in rounds]
            print(f"  {own} {statistics.median(ratios):.1f} ({', '.join(f'{ratio:.1f}' for ratio in ratios)})", end="")
        print()
    share = statistics.median(each["ours"]["of_peak"] for each in rounds)
    print(f"ours does matrix products at {share:.0%} of the processor's measured peak. Where its time goes:")
    subprocess.run([sys.executable, __file__, "--child", "profile", "--notes", str(arguments.notes)], check=True)
    epochs = load_params().train.epochs if arguments.quality_epochs is None else arguments.quality_epochs
    if epochs:
        whole = {name: measure(name, None, epochs) for name in RECIPES}
        print(f"test macro-F1 after {epochs} epochs on all training notes, and the time of the whole training:")
        for name, each in whole.items():
            print(f"  {name:<20}{each['macro_f1']:8.3f}   {each['whole_ms']:8.1f} ms per example")


if __name__ == "__main__":
    main()
