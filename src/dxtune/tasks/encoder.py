"""An encoder with a linear head, which classification, multilabel and question answering share: batches, saving, loading."""

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel

from dxtune.errors import ModelError
from dxtune.tasks.notes import mean_by_note
from dxtune.training.base_model import is_causal
from dxtune.training.packed import packed

WEIGHTS = "model.safetensors"
SETTINGS = "dxtune.json"
FAMILIAR = "familiar.json"
NUMBERS = ("familiar", "untuned")
"""Settings of thousands of numbers, which nobody reads and FAMILIAR holds."""
INPUTS = ("input_ids", "token_type_ids")
"""Columns of a table of tokens that the encoder reads; the second only where notes have a question."""
BATCH_TOKENS = 8192
"""Tokens in a batch without gradients, padding included: enough to keep the cores busy, little enough for memory."""
THREAD_TOKENS = 2560
"""Tokens in a batch that one thread computes by itself: little enough for the cache of its core."""
LENGTHS = 16
"""Their lengths are multiples of this: at others torch's flash kernel takes half as long again (training/attention.py)."""

HIDDEN_DROPOUT = ("hidden_dropout_prob", "dropout", "mlp_dropout", "embedding_dropout")
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
"""What the configs of BERT and its kin, DistilBERT, ModernBERT and Llama call them."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From logits and labels to the sum of their losses, one for each element of labels."""


class NoteModel(nn.Module):
    """An encoder and a linear head over one vector a note, or over each token.

    pooling: `mean` of the token vectors, the checkpoint's own trained `pooler` over the first one, the `last` one, which in a
    causal model alone has seen the whole note, or `tokens`: none.
    """

    def __init__(self, encoder: Any, pooling: str, outputs: int, loss: Loss) -> None:
        super().__init__()
        self.encoder, self.pooling, self.loss = encoder, pooling, loss
        self.dropout = nn.Dropout(getattr(encoder.config, "hidden_dropout_prob", 0.0))
        self.head = nn.Linear(encoder.config.hidden_size, outputs)
        nn.init.normal_(self.head.weight, std=getattr(encoder.config, "initializer_range", 0.02))
        nn.init.zeros_(self.head.bias)
        self.weights: nn.Linear | None = None
        self.recalled: Any = None  # what stands in the place of frozen layers (tasks/frozen.py)
        self.tokenizer: Any = None  # of a model that answers: the language of a note is told by its text

    def weigh_windows(self) -> None:
        """Makes a note's answer a weighted mean of its windows' logits: each label has weights of its own, at first equal ones.

        Source: Mullenbach et al., Explainable Prediction of Medical Codes from Clinical Text (NAACL 2018): attention by label.
        """
        self.weights = nn.Linear(self.head.in_features, self.head.out_features)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        states: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """`logits` (batch, outputs) and, with labels, `loss`: its mean over the elements of the whole effective batch's labels.

        With gradient accumulation, `num_items_in_batch` counts these in all micro-batches, and the losses add up.
        After `weigh_windows`, inputs are those of notes, (batch, windows, length): a window without tokens is none.
        states: (batch, length, size), what frozen layers say, where `recalled` stands in their place.
        """
        if self.recalled is not None:
            self.recalled.states = states
        if input_ids.ndim == 3:
            logits = self._of_windows(input_ids, attention_mask, token_type_ids)
        else:
            logits = self.read(input_ids, attention_mask, token_type_ids)
        if self.pooling == "tokens":  # padding is no place of anything, however much there is of it
            logits = logits.masked_fill(attention_mask.unsqueeze(-1) == 0, torch.finfo(logits.dtype).min)
        if labels is None:
            return {"logits": logits}
        count = labels.numel() if num_items_in_batch is None else num_items_in_batch
        return {"loss": self.loss(logits, labels) / count, "logits": logits}

    def read(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The logits of each row, (rows, outputs); after `weigh_windows` its weights' logarithms, too, (rows, 2 outputs)."""
        return self.answer(self.dropout(self.pool(input_ids, attention_mask, token_type_ids)))

    def answer(self, vectors: torch.Tensor) -> torch.Tensor:
        """What `read` gives, from what `pool` gives."""
        if self.weights is None:
            return self.head(vectors).float()  # type: ignore[no-any-return]
        return torch.cat([self.head(vectors), self.weights(vectors)], -1).float()

    def _of_windows(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None
    ) -> torch.Tensor:
        real = attention_mask.any(-1)
        inputs = [None if each is None else each[real] for each in (input_ids, attention_mask, token_type_ids)]
        size = len(inputs[0]) if self.training else max(1, BATCH_TOKENS // input_ids.shape[-1])  # type: ignore[arg-type]
        parts = zip(*(repeat(None) if each is None else torch.split(each, size) for each in inputs), strict=False)
        made = torch.cat([self.read(*part) for part in parts])
        logits, weights = made.new_zeros(*real.shape, made.shape[1]).masked_scatter(real.unsqueeze(-1), made).chunk(2, -1)
        shares = weights.masked_fill(~real.unsqueeze(-1), -torch.inf).softmax(1)
        return (shares * logits).sum(1)

    def pool(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What the head sees: one vector a note, (batch, hidden size), or without pooling one a token."""
        output = run(self.encoder, input_ids, attention_mask, token_type_ids)
        if self.pooling == "pooler":
            vectors: torch.Tensor = output.pooler_output
            return vectors
        if self.pooling == "tokens":
            each: torch.Tensor = output.last_hidden_state
            return each
        if self.pooling == "last":
            ends: torch.Tensor = output.last_hidden_state[torch.arange(len(input_ids)), attention_mask.sum(1) - 1]
            return ends
        mask = attention_mask.unsqueeze(-1)
        total = (output.last_hidden_state * mask.to(output.last_hidden_state.dtype)).sum(1, dtype=torch.float32)
        mean: torch.Tensor = total / mask.sum(1)
        return mean


def run(encoder: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> Any:
    """What an encoder gives for a batch."""
    # an encoder without types, or with one, takes none: its tokens of question and text are told apart by a separator
    typed = token_type_ids is not None and getattr(encoder.config, "type_vocab_size", 0) > 1
    types = {"token_type_ids": token_type_ids} if typed else {}
    return encoder(input_ids=input_ids, attention_mask=attention_mask, **types)


def in_batches(
    function: Callable[..., torch.Tensor], tokens: pl.DataFrame, pad_id: int, bf16: bool, apart: bool = False
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Numbers of rows of `tokens`, and what `function` (of a batch without labels) gives for them, float64 (rows, ...).

    Rows of like length go together, so padding is little; no gradients. apart: each of torch's threads computes batches of its
    own, smaller ones: together on one they would wait for each other after every product. Few batches they do together.
    """
    rows = tokens.select(name for name in INPUTS if name in tokens.columns).to_dicts()
    lengths = [len(row["input_ids"]) for row in rows]
    groups = list(batches(lengths, even(lengths, THREAD_TOKENS) if apart else BATCH_TOKENS))
    threads = torch.get_num_threads()

    def one(numbers: list[int]) -> tuple[list[int], np.ndarray]:
        batch = pad([rows[number] for number in numbers], pad_id, LENGTHS)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return numbers, function(**batch).double().numpy()

    def alone(numbers: list[int]) -> tuple[list[int], np.ndarray]:
        torch.set_num_threads(1)
        return one(numbers)

    if not apart or len(groups) < 2 * threads:
        yield from map(one, groups)
        return
    futures = deque(_pool(threads).submit(alone, numbers) for numbers in groups)
    try:
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
        torch.set_num_threads(threads)  # part of it holds for the whole process


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: the memory of new ones would be fresh pages, which the kernel has to fill first."""
    return ThreadPoolExecutor(threads)


def batches(lengths: list[int], most: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """The numbers of rows so long, shortest first, in groups of up to `most` tokens with padding; a longer row is alone.

    >>> list(batches([5000, 10, 4000]))
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda number: (lengths[number], number))
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * lengths[order[end]] <= most:
            end += 1
        yield order[start:end]
        start = end


def even(lengths: list[int], most: int) -> int:
    """How many tokens a batch may have, at most `most`, so that `batches` are alike, and two threads end at the same time.

    >>> even([10, 10, 10, 10, 10], 40), even([10], 40)
    (30, 0)
    """
    count = len(list(batches(lengths, most)))
    count += count % 2 if count > 1 else 0
    return bisect_left(range(most), -count, key=lambda size: -len(list(batches(lengths, size))))


def by_row(
    function: Callable[..., torch.Tensor], tokens: pl.DataFrame, pad_id: int, bf16: bool, apart: bool = False
) -> np.ndarray:
    """What `function` gives for each row of `tokens`, (rows, size) float64, in their order. apart: as of `in_batches`."""
    order: list[int] = []
    parts = []
    for numbers, values in in_batches(function, tokens, pad_id, bf16, apart):
        order += numbers
        parts.append(values)
    result = np.empty((tokens.height, parts[0].shape[1] if parts else 0))
    if parts:
        result[order] = np.concatenate(parts)
    return result


def by_note(
    model: NoteModel, tokens: pl.DataFrame, settings: dict[str, Any], bf16: bool
) -> tuple[pl.Series, np.ndarray, np.ndarray]:
    """The notes in order of appearance; of each its logits, and the mean of the vectors of its windows that the head sees."""
    outputs = model.head.out_features

    def all_of(**batch: torch.Tensor) -> torch.Tensor:
        vectors = model.pool(**batch)
        return torch.cat([model.answer(vectors), vectors.float()], dim=1)

    with packed(model.encoder):
        values = by_row(all_of, tokens, settings["pad_token_id"], bf16, apart=True)
    made, vectors = np.split(values, [outputs if model.weights is None else 2 * outputs], axis=1)
    notes, logits = mean_by_note(tokens["note_id"], made[:, :outputs], None if model.weights is None else made[:, outputs:])
    return notes, logits, mean_by_note(tokens["note_id"], vectors)[1]


def hold_in_bf16(model: nn.Module) -> None:
    """Turns the weights of all linear maps into bf16 once: autocast would do so again for every batch, to the same numbers."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.to(torch.bfloat16)


def pooling_of(folder: Path) -> str:
    """`last` of a causal model, `pooler` where the checkpoint's pooler was trained, else `mean`.

    A sentence-transformers checkpoint carries a pooler that its training never touched; its card says mean.
    """
    if is_causal(folder):
        return "last"
    if (folder / "modules.json").is_file():
        return "mean"
    with safe_open(folder / WEIGHTS, framework="pt") as weights:
        return "pooler" if any(name.endswith("pooler.dense.weight") for name in weights.keys()) else "mean"  # noqa: SIM118


def build(folder: Path, pooling: str, outputs: int, loss: Loss, hidden_dropout: float, attention_dropout: float) -> NoteModel:
    """The base model in a folder with a fresh head, in fp32. Seed torch before: the head is random."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    for names, value in ((HIDDEN_DROPOUT, hidden_dropout), (ATTENTION_DROPOUT, attention_dropout)):
        for name in names:
            if hasattr(config, name):
                setattr(config, name, value)
    if pooling == "last":
        config.use_cache = False  # of what it would need to go on writing
    encoder = AutoModel.from_pretrained(
        folder, config=config, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    return _with_head(encoder, pooling, outputs, loss)


def save(model: NoteModel, folder: Path, labels: list[str], settings: dict[str, Any]) -> None:
    """Writes the model's config, weights, labels and settings: with the tokenizer, all that is needed to use it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.encoder.config.to_dict()
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / WEIGHTS, metadata={"format": "pt"}
    )
    (folder / "labels.json").write_text(json.dumps(labels, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    how = {"pooling": model.pooling, "window_pooling": "mean" if model.weights is None else "learned"}
    save_settings(folder, how | settings)


def save_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Writes what goes with the weights: what people read into SETTINGS, and NUMBERS into FAMILIAR."""
    kept = dict(settings)
    numbers = {name: kept.pop(name) for name in NUMBERS if name in kept}
    (folder / FAMILIAR).write_text(json.dumps(numbers, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    (folder / SETTINGS).write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_settings(folder: Path) -> dict[str, Any]:
    """What `save_settings` wrote."""
    files = [json.loads((folder / name).read_text(encoding="utf-8")) for name in (SETTINGS, FAMILIAR)]
    return {name: value for each in files for name, value in each.items()}


def load(folder: Path, loss: Loss, outputs: int | None = None) -> tuple[NoteModel, list[str], dict[str, Any]]:
    """The model that `save` wrote, its labels in id order, and its settings. Raises ModelError where they do not fit.

    outputs: of the head; None: one a label.
    """
    missing = [name for name in ("config.json", WEIGHTS, "labels.json", SETTINGS, FAMILIAR) if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: expected a trained model, but {', '.join(missing)} is missing: run dvc repro or dvc pull")
    labels: list[str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    settings = load_settings(folder)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    encoder = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    model = _with_head(encoder, settings["pooling"], outputs or len(labels), loss)
    if settings["window_pooling"] == "learned":
        model.weigh_windows()
    weights = load_file(folder / WEIGHTS)
    if weights["head.weight"].shape[0] != len(model.head.bias):
        raise ModelError(
            f"{folder}: labels.json has {len(labels)}, the head {weights['head.weight'].shape[0]} outputs: run dvc repro"
        )
    model.load_state_dict(weights)
    return model.eval(), labels, settings


def pad(rows: list[dict[str, Any]], pad_id: int, multiple: int = 8) -> dict[str, torch.Tensor]:
    """A batch of INPUTS and attention_mask, (batch, longest, up to a multiple of `multiple`).

    Of rows that are notes with lists of windows (`gather`): (batch, most windows, longest).
    """
    if isinstance(rows[0]["input_ids"][0], list):
        return _pad_windows(rows, pad_id)
    shape = len(rows), -(-max(len(row["input_ids"]) for row in rows) // multiple) * multiple
    mask = np.zeros(shape, dtype=np.int64)
    for i, row in enumerate(rows):
        mask[i, : len(row["input_ids"])] = 1
    batch = {"attention_mask": torch.from_numpy(mask)}
    for name in (name for name in INPUTS if name in rows[0]):
        values = np.full(shape, pad_id if name == "input_ids" else 0, dtype=np.int64)
        for i, row in enumerate(rows):
            values[i, : len(row[name])] = row[name]
        batch[name] = torch.from_numpy(values)
    return batch


def _pad_windows(rows: list[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    names = [name for name in INPUTS if name in rows[0]]
    places = [(note, window) for note, row in enumerate(rows) for window in range(len(row["input_ids"]))]
    flat = pad([{name: rows[note][name][window] for name in names} for note, window in places], pad_id)
    notes, windows = (torch.tensor(each) for each in zip(*places, strict=True))
    batch = {}
    for name, values in flat.items():
        fill = pad_id if name == "input_ids" else 0
        batch[name] = torch.full((len(rows), int(windows.max()) + 1, values.shape[1]), fill)
        batch[name][notes, windows] = values
    return batch


def _with_head(encoder: Any, pooling: str, outputs: int, loss: Loss) -> NoteModel:
    if pooling != "pooler" and getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # nothing uses it: no gradient, no bytes
    return NoteModel(encoder, pooling, outputs, loss)
