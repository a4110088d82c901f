"""Everything needed to use a fine-tuned model, from one folder: `Predictor(folder)`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from dxtune.errors import DataError, ModelError
from dxtune.tasks import find_encoder, find_task
from dxtune.training.base_model import load_tokenizer
from dxtune.training.machine import keep_memory, resolve_precision
from dxtune.training.provenance import check_labels


class Predictor:
    """A fine-tuned model that treats a raw note as the pipeline did: de-identify, clean, tokenize, predict.

    folder: what `dxtune train` wrote (models/final). threads: of torch. precision: auto, bf16 or fp32.
    Raises ModelError where files are missing or do not fit each other.
    """

    def __init__(self, folder: Path, threads: int = 1, precision: Literal["auto", "bf16", "fp32"] = "auto") -> None:
        keep_memory()
        import torch

        from dxtune.tasks.encoder import hold_in_bf16
        from dxtune.training.attention import use_fast_attention

        torch.set_num_threads(threads)
        self.task = find_task(_read_task(folder))
        self.model, self.labels, self.settings = self.task.load(folder)
        check_labels(folder, self.labels, self.settings)
        self.model.tokenizer = self.tokenizer = load_tokenizer(folder)
        self.bf16 = resolve_precision(precision) == "bf16"
        if self.bf16:
            use_fast_attention(self.model.encoder)
            hold_in_bf16(self.model)

    def predict(self, texts: Sequence[str], questions: Sequence[str] | None = None) -> list[Any]:
        """One answer a note, in the order of `texts`, of the task's own kind.

        texts: raw notes. Identifiers are masked, and boilerplate and sections that training did not see are left out here, too.

        questions: one a note, if the model was trained with them. Raises DataError where they are missing, or not asked for.
        """
        from dxtune.corpus.texts import make_texts

        if self.settings["question"] != (questions is not None):
            wanted = "a question with each note" if self.settings["question"] else "notes without questions"
            raise DataError(
                f"expected {wanted}, as the model was trained: call predict(texts{', questions' * (questions is None)})"
            )
        columns = {"text": list(texts)} | ({} if questions is None else {"question": list(questions)})
        notes = pl.DataFrame({"note_id": [str(row) for row in range(len(texts))], **columns})
        notes = make_texts(_mask(notes), **self.settings["cleaning"])
        return list(self.task.answers(self.predictions(self.tokenize(notes)), notes, self.labels, self.settings))

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


def _mask(notes: pl.DataFrame) -> pl.DataFrame:
    """The notes without identifiers, each with its question as one document, as the pipeline has it."""
    from dxtune.deid import Deidentifier
    from dxtune.deid.fields import as_documents, write_fields
    from dxtune.deid.spans import replace

    # Placeholders do not depend on the key; only pseudonyms of ids do, and there are none here.
    found = Deidentifier(key=b"predict: placeholders only").examine(as_documents(notes)["text"].to_list())
    return notes.with_columns(
        **{
            name: pl.Series(values, dtype=pl.String)
            for name, values in write_fields(notes, found.spans, [replace] * notes.height).items()
        }
    )


def _read_task(folder: Path) -> str:
    """The task of the model in a folder."""
    try:
        return str(json.loads((folder / "dxtune.json").read_text(encoding="utf-8"))["task"])
    except (OSError, ValueError, KeyError):
        raise ModelError(
            f"{folder}: expected a trained model with its task in dxtune.json, found none: run dvc repro or dvc pull"
        ) from None
