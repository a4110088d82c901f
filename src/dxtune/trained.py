"""A fine-tuned model on tokens, as the stages ask it. On raw notes: `dxtune.predict`, which needs more code than they do."""

import json
from pathlib import Path
from typing import Literal

import polars as pl

from dxtune.errors import ModelError
from dxtune.tasks import find_encoder, find_task
from dxtune.training.base_model import load_tokenizer
from dxtune.training.machine import keep_memory, resolve_precision
from dxtune.training.provenance import check_labels


class Trained:
    """A fine-tuned model from its folder: what `dxtune train` wrote (models/final).

    threads: of torch. precision: auto, bf16 or fp32. Raises ModelError where files are missing or do not fit each other.
    """

    def __init__(self, folder: Path, threads: int = 1, precision: Literal["auto", "bf16", "fp32"] = "auto") -> None:
        keep_memory()
        import torch

        from dxtune.tasks.encoder import hold_in_bf16
        from dxtune.training.attention import use_fast_bf16
        from dxtune.training.packed import pack

        torch.set_num_threads(threads)
        self.task = find_task(_read_task(folder))
        self.model, self.labels, self.settings = self.task.load(folder)
        check_labels(folder, self.labels, self.settings)
        self.model.tokenizer = self.tokenizer = load_tokenizer(folder)
        self.bf16 = resolve_precision(precision) == "bf16"
        if self.bf16:
            use_fast_bf16(self.model.encoder)
            hold_in_bf16(self.model)
            pack(self.model.encoder)

    def tokenize(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The token ids of notes with clean texts, as training had them: a row a window, in the order of `notes`."""
        how = (self.settings["max_tokens"], self.settings["long_notes"], self.settings["stride"])
        encode = find_encoder(self.settings["task"])
        return encode(self.tokenizer.to_str(), *how, notes).tables["tokens"]  # type: ignore[no-any-return]

    def predictions(self, tokens: pl.DataFrame) -> pl.DataFrame:
        """One row a note, in the order of `tokens`: note_id and what records.predictions names. Batched by length."""
        return self.task.predict(self.model, tokens, self.settings, self.bf16)  # type: ignore[no-any-return]

    def losses(self, tokens: pl.DataFrame) -> pl.DataFrame:
        """A row for each note of `tokens` that teaches something: note_id, patient_id, and the `loss` that training lowers."""
        made = self.task.losses(self.model, tokens, self.settings, self.bf16)
        return made.join(tokens.select("note_id", "patient_id").unique(), on="note_id", maintain_order="left")  # type: ignore[no-any-return]


def _read_task(folder: Path) -> str:
    """The task of the model in a folder."""
    try:
        return str(json.loads((folder / "dxtune.json").read_text(encoding="utf-8"))["task"])
    except (OSError, ValueError, KeyError):
        raise ModelError(
            f"{folder}: expected a trained model with its task in dxtune.json, found none: run dvc repro or dvc pull"
        ) from None
