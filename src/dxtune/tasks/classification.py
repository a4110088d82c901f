"""Classification: a note gets one of the labels. The model, its batches, and how it is saved and loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from dxtune.errors import ModelError

WEIGHTS = "model.safetensors"
SETTINGS = "dxtune.json"
HEAD_C = 0.1
"""Inverse strength of the head's L2 penalty: little enough that fine-tuning still has something to learn from."""
BATCH_TOKENS = 8192
"""Tokens in a batch without gradients, padding included: enough to keep the cores busy, little enough for memory."""


class NoteClassifier(nn.Module):
    """An encoder and a linear head over one vector a note.

    pooling: `mean` of the token vectors, or the checkpoint's own trained `pooler` over the first one.
    """

    def __init__(self, encoder: Any, pooling: str, labels: int) -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.dropout = nn.Dropout(getattr(encoder.config, "hidden_dropout_prob", 0.0))
        self.head = nn.Linear(encoder.config.hidden_size, labels)
        nn.init.normal_(self.head.weight, std=getattr(encoder.config, "initializer_range", 0.02))
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> dict[str, torch.Tensor]:
        """`logits` (batch, labels) and, with labels, `loss`: the mean cross-entropy over the whole effective batch.

        With gradient accumulation, `num_items_in_batch` counts the notes of all micro-batches, and the losses add up.
        """
        logits = self.head(self.dropout(self.pool(input_ids, attention_mask))).float()
        if labels is None:
            return {"logits": logits}
        count = len(labels) if num_items_in_batch is None else num_items_in_batch
        return {"loss": functional.cross_entropy(logits, labels, reduction="sum") / count, "logits": logits}

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """One vector a note, (batch, hidden size): what the head sees."""
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        if self.pooling == "pooler":
            vectors: torch.Tensor = output.pooler_output
            return vectors
        weights = attention_mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
        mean: torch.Tensor = (output.last_hidden_state * weights).sum(1) / weights.sum(1)
        return mean


def fit_head(model: NoteClassifier, ids: list[list[int]], labels: np.ndarray, pad_id: int, bf16: bool) -> None:
    """Sets the head to the logistic regression on the vectors of the untouched encoder.

    Fine-tuning from a random head first bends the encoder towards noise; from a fitted one it keeps what it knew, and needs
    fewer epochs. Source: Kumar et al., Fine-Tuning can Distort Pretrained Features (ICLR 2022), linear probing first.
    """
    from sklearn.linear_model import LogisticRegression

    vectors = in_batches(model.eval().pool, ids, pad_id, bf16)
    probe = LogisticRegression(C=HEAD_C, max_iter=1000).fit(vectors, labels)
    if len(probe.classes_) == len(model.head.bias) > 2:
        with torch.no_grad():
            model.head.weight.copy_(torch.from_numpy(probe.coef_))
            model.head.bias.copy_(torch.from_numpy(probe.intercept_))
    model.train()


def in_batches(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], ids: list[list[int]], pad_id: int, bf16: bool
) -> np.ndarray:
    """What `function` (input_ids, attention_mask) gives for each note, (notes, size) float64, in the order of `ids`.

    Notes of like length go together, so padding is little; no gradients.
    """
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    parts, start = [], 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * len(ids[order[end]]) <= BATCH_TOKENS:
            end += 1
        batch = pad([{"input_ids": ids[i]} for i in order[start:end]], pad_id)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            parts.append(function(batch["input_ids"], batch["attention_mask"]).double().numpy())
        start = end
    result = np.empty((len(ids), parts[0].shape[1] if parts else 0))
    if parts:
        result[order] = np.concatenate(parts)
    return result


def pooling_of(folder: Path) -> str:
    """`pooler` where the checkpoint's pooler was trained, else `mean`.

    A sentence-transformers checkpoint carries a pooler that its training never touched; its card says mean.
    """
    if (folder / "modules.json").is_file():
        return "mean"
    with safe_open(folder / WEIGHTS, framework="pt") as weights:
        return "pooler" if any(name.endswith("pooler.dense.weight") for name in weights.keys()) else "mean"  # noqa: SIM118


def build(folder: Path, labels: int, hidden_dropout: float, attention_dropout: float) -> NoteClassifier:
    """The base model in a folder with a fresh head, in fp32. Seed torch before: the head is random."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    for name, value in (("hidden_dropout_prob", hidden_dropout), ("attention_probs_dropout_prob", attention_dropout)):
        if hasattr(config, name):
            setattr(config, name, value)
    encoder = AutoModel.from_pretrained(
        folder, config=config, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    return _classifier(encoder, pooling_of(folder), labels)


def save(model: NoteClassifier, folder: Path, labels: list[str], settings: dict[str, Any]) -> None:
    """Writes the model's config, weights, labels and settings: with the tokenizer, all that is needed to use it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.encoder.config.to_dict()
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / WEIGHTS, metadata={"format": "pt"}
    )
    (folder / "labels.json").write_text(json.dumps(labels, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / SETTINGS).write_text(
        json.dumps({"pooling": model.pooling, **settings}, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )


def load(folder: Path) -> tuple[NoteClassifier, list[str], dict[str, Any]]:
    """The model that `save` wrote, its labels in id order, and its settings. Raises ModelError where they do not fit."""
    missing = [name for name in ("config.json", WEIGHTS, "labels.json", SETTINGS) if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: expected a trained model, but {', '.join(missing)} is missing: run dvc repro or dvc pull")
    labels: list[str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    encoder = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    model = _classifier(encoder, settings["pooling"], len(labels))
    weights = load_file(folder / WEIGHTS)
    if weights["head.weight"].shape[0] != len(labels):
        raise ModelError(
            f"{folder}: labels.json has {len(labels)}, the head {weights['head.weight'].shape[0]} outputs: run dvc repro"
        )
    model.load_state_dict(weights)
    return model.eval(), labels, settings


def pad(rows: list[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch: input_ids and attention_mask (batch, longest, up to a multiple of 8), and labels where the rows have them."""
    length = -(-max(len(row["input_ids"]) for row in rows) // 8) * 8
    ids = np.full((len(rows), length), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = row["input_ids"]
        mask[i, : len(row["input_ids"])] = 1
    batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if "label_id" in rows[0]:
        batch["labels"] = torch.tensor([row["label_id"] for row in rows])
    return batch


def _classifier(encoder: Any, pooling: str, labels: int) -> NoteClassifier:
    if pooling == "mean" and getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # nothing uses it: no gradient, no bytes
    return NoteClassifier(encoder, pooling, labels)
