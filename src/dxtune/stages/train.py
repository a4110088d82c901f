"""Fine-tune the base model on the training split; the epoch that is best on validation is kept.

    dxtune train        (or: dvc repro train)

Reads data/tokens (train and validation only), writes models/final, metrics/train.json and the curves. Checkpoints live
in .cache/checkpoints, under a hash of everything that made them: a killed run goes on from there, a finished one removes them.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from dxtune import fingerprints
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.records import tokens
from dxtune.shards import read_corpus, read_json, write_json, write_text
from dxtune.tasks import find_task
from dxtune.tasks.notes import gather, unknown_id
from dxtune.training import processes
from dxtune.training.base_model import find_base_model, is_causal, load_tokenizer, pad_token_id
from dxtune.training.machine import prepare, resolve_precision
from dxtune.training.provenance import TOLD, provenance


def run(params: Params, paths: Paths) -> None:
    """Writes the fine-tuned model with its tokenizer, label map and settings."""
    processes.join(params.train.processes, params.train.threads, params.train.accelerate)
    prepare(params.train.threads, params.train.seed)  # before torch allocates
    from dxtune.tasks import domain
    from dxtune.tasks.frozen import Frozen
    from dxtune.training.method import adapt, merge
    from dxtune.training.trainer import fit
    from dxtune.training.vocabulary import Vocabulary

    task = find_task(params.task)
    base = find_base_model(params.model)
    precision = resolve_precision(params.train.precision)
    labels: list[str] = read_json(paths.tokens / "labels.json")
    train, validation = _splits(params, paths)
    model = _fresh(params, base, len(labels), precision)
    pad_id = pad_token_id(base)
    checkpoints = paths.checkpoints / _key(params, paths, precision)
    read = domain.adapt(model, base, paths.tokens / "tokenizer", train, params.train, precision, checkpoints)
    learned = task.fit_head(model, train, pad_id, precision == "bf16")
    if params.train.window_pooling == "learned":
        model.weigh_windows()
    model.encoder = adapt(model.encoder, params.model)
    words = Vocabulary(model.encoder, (train, validation), pad_id)
    words.narrow(model.encoder)
    fitting, checking = (gather(words.renumber(each), params.train.window_pooling) for each in (train, validation))
    frozen = Frozen(model, params, (fitting, checking), checkpoints)
    (fitting, checking), collate = frozen.read(
        (fitting, checking), partial(task.collate, pad_id=pad_id, labels=len(labels)), pad_id, precision == "bf16"
    )
    spare = processes.spare(model)
    fitted = fit(model, collate, fitting, checking, task.scorer(checking), params.train, precision, checkpoints)
    model = processes.whole(model, spare)
    if not processes.is_first():
        return

    frozen.give_back()
    words.widen(model.encoder)
    model.encoder = merge(model.encoder)
    model.tokenizer = load_tokenizer(paths.tokens / "tokenizer")
    source = provenance(params, base, paths.tokens, labels)
    settings = source | _described(params, paths, pad_id, precision, model.tokenizer, {*train.columns} - {*tokens(params.task)})
    settings |= learned | task.fit(model.eval(), validation, settings, precision == "bf16")
    with _replacing(paths.model, paths.tokens / "tokenizer") as folder:
        task.save(model, folder, labels, settings)

    facts = {name: source[name] for name in TOLD} | {"precision": precision, "pooling": model.pooling}
    facts |= {"canaries": params.train.canaries} if params.train.canaries else {}
    facts["parameters"] = sum(each.numel() for each in model.parameters())
    if read.height:
        facts["domain_adaptation_loss"] = read["loss"][-1]
    write_json(fitted.metrics | facts, paths.metrics / "train.json")
    for name, curve in (("domain_adaptation", read), ("loss", fitted.loss), ("validation", fitted.validation)):
        write_text(curve.write_csv(), paths.metrics / "plots" / f"{name}.csv")
    shutil.rmtree(checkpoints, ignore_errors=True)


def _fresh(params: Params, base: Path, labels: int, precision: str) -> Any:
    """The layers of the base model that are used, with a fresh head for so many labels."""
    from dxtune.training.attention import use_fast_bf16
    from dxtune.training.method import shorten

    model = find_task(params.task).build(base, labels, params.train.hidden_dropout, params.train.attention_dropout)
    shorten(model.encoder, params.model, is_causal(base))
    if precision == "bf16":
        use_fast_bf16(model.encoder)
    return model


def _splits(params: Params, paths: Paths) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What training learns from, with canaries among it and packed where params say so; and validation."""
    columns = tokens(params.task)
    train, validation = (read_corpus(paths.tokens / name, columns) for name in ("train", "validation"))
    if params.train.canaries:
        from dxtune.tasks.canaries import rows

        tokenizer = load_tokenizer(paths.tokens / "tokenizer").to_str()
        train = pl.concat([train, rows(params.train.canaries, tokenizer, params.tokenize.max_tokens).select(train.columns)])
    if params.train.packing:
        train = find_task(params.task).pack(train, params.tokenize.max_tokens)
    return train, validation


@contextmanager
def _replacing(folder: Path, tokenizer: Path) -> Iterator[Path]:
    """A new folder with a tokenizer in it, which then stands in the place of `folder`."""
    aside = folder.with_name(".final.part")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(tokenizer, aside)
    yield aside
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def _described(params: Params, paths: Paths, pad_id: int, precision: str, tokenizer: Any, extra: set[str]) -> dict[str, Any]:
    """What goes with the model so that it reads a note as training did. extra: columns of tokens that not every task has."""
    tokenized = params.tokenize.model_dump(include={"max_tokens", "long_notes", "stride"})
    ids = {"pad_token_id": pad_id, "unk_token_id": unknown_id(tokenizer)}
    return {
        **tokenized,
        **ids,
        "task": params.task,
        "precision": precision,
        "cleaning": read_json(paths.tokens / "cleaning.json"),
        "question": "token_type_ids" in extra,  # a note came with one
    }


def _key(params: Params, paths: Paths, precision: str) -> str:
    """Names the checkpoints: a hash of the settings, the token shards, and the code and packages that train."""
    runs = [fingerprints.current(f"{part}.train", params, paths) for part in ("code", "packages")]
    digest = hashlib.sha256(f"{params.model!r} {params.train!r} {precision} {runs}".encode())
    for path in sorted(paths.tokens.rglob("*.*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
