"""What frozen layers say of every note, computed once: with `head` and `last_n_layers` it is the same in every epoch.

A step then begins above them: it computes and differentiates the layers that learn, and no others. The frozen layers stay in
their places, since an encoder asks some of them what they are (a kind of attention, a number); they only give on what they get.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from dxtune.params import Params
from dxtune.tasks.encoder import in_batches, run
from dxtune.training.attention import PADDING_MASK_ONLY
from dxtune.training.method import stack

MOST = 8 << 30
"""Bytes on disk; a corpus that would need more reads all layers in every step."""
FILE = "frozen.states"
NORMALISED, ANY = np.dtype(np.float16), np.dtype(np.float32)
"""How vectors are kept. Where they are normalised between layers, eleven bits are finer than the eight of the bf16 products
that read them; in other models they may be large."""
KINDS = PADDING_MASK_ONLY | {"mpnet", "distilbert", "deberta-v2", "modernbert", "gemma3_text", "llama", "qwen2", "qwen3"}
"""Model types of which a test shows that a layer hands on vectors and nothing else; in others every step reads all layers."""
AT, STATES = "states_at", "states"
Collate = Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]


class Recalled:
    """Layers that are not computed: the last of them gives `states`, the others what they get."""

    def __init__(self) -> None:
        self.states: torch.Tensor | None = None  # (batch, length, size), of the notes of the present batch
        self.others = -1  # how many things a layer gives beside its vectors, in a tuple; -1: it gives them bare

    def as_layers_give(self, vectors: torch.Tensor) -> Any:
        """The vectors in the form in which a layer of this encoder gives its own."""
        return vectors if self.others < 0 else (vectors, *[None] * self.others)

    def give_on(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        """In the place of a layer's forward: what comes in."""
        return self.as_layers_give(hidden_states)

    def recall(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        """In the place of a layer's forward: `states`, whatever comes in."""
        assert self.states is not None
        return self.as_layers_give(self.states.to(hidden_states.dtype))

    def keep(self, _: Any, __: Any, output: Any) -> None:
        """A hook: `states` are what a layer has just given."""
        self.others = len(output) - 1 if isinstance(output, tuple) else -1
        self.states = output[0] if isinstance(output, tuple) else output


class Frozen:
    """The layers of a NoteModel's encoder below the first one that learns; none where remembering is not exact or not worth it.

    It is exact without dropout, where every note is read alone (no learned pooling of windows), by one process, in a model of
    KINDS.
    """

    def __init__(self, model: Any, params: Params, tables: tuple[pl.DataFrame, ...], folder: Path) -> None:
        self.model, self.file = model, folder / FILE
        self.tokens = sum(int(table["length"].sum()) for table in tables)
        dropout = params.train.hidden_dropout or params.train.attention_dropout
        exact = not dropout and params.train.window_pooling == "mean" and params.train.processes == 1
        self.count = 0
        known = hasattr(model, "recalled") and model.encoder.config.model_type in KINDS
        if exact and known and params.model.method in ("head", "last_n_layers"):
            _, self.layers = stack(model.encoder)
            learn = [any(each.requires_grad for each in layer.parameters()) for layer in self.layers]
            self.count = learn.index(True) if True in learn else len(learn)
        self.size = getattr(model.encoder.config, "hidden_size", 0)
        self.kind = NORMALISED if model.encoder.config.model_type in PADDING_MASK_ONLY else ANY
        if self.tokens * self.size * self.kind.itemsize > MOST:
            self.count = 0

    def read(
        self, tables: tuple[pl.DataFrame, ...], collate: Collate, pad_id: int, bf16: bool
    ) -> tuple[tuple[pl.DataFrame, ...], Collate]:
        """The tables with the place of each row's vectors in the file, which is written, and a collator that reads them.

        Both as they are where nothing is frozen.
        """
        if not self.count:
            return tables, collate
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.states = np.memmap(self.file, self.kind, "w+", shape=(self.tokens, self.size))
        *lower, last = self.layers[: self.count]
        recalled, placed, start = Recalled(), [], 0
        hook = last.register_forward_hook(recalled.keep)
        for layer in self.layers[self.count :]:
            layer.forward = recalled.give_on

        def below(**batch: torch.Tensor) -> torch.Tensor:
            run(self.model.encoder, **batch)
            assert recalled.states is not None
            return recalled.states

        self.model.eval()
        for table in tables:
            lengths = table["length"].to_numpy().astype(np.int64)
            places = start + np.cumsum(lengths) - lengths
            for numbers, values in in_batches(below, table, pad_id, bf16):
                for number, each in zip(numbers, values, strict=True):
                    self.states[places[number] : places[number] + lengths[number]] = each[: lengths[number]]
            placed.append(table.with_columns(pl.Series(AT, places)))
            start += int(lengths.sum())
        self.model.train()
        hook.remove()
        self._compute_again()
        for layer in lower:
            layer.forward = recalled.give_on
        last.forward = recalled.recall
        self.model.recalled = recalled
        return tuple(placed), partial(self._collate, collate)

    def _collate(self, collate: Collate, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = collate(rows)
        states = np.zeros((*batch["input_ids"].shape, self.size), self.kind)
        for number, row in enumerate(rows):
            length = len(row["input_ids"])
            states[number, :length] = self.states[row[AT] : row[AT] + length]
        return batch | {STATES: torch.from_numpy(states)}

    def give_back(self) -> None:
        """All layers as they were."""
        if self.count:
            self._compute_again()
            self.model.recalled = None
            del self.states
            self.file.unlink(missing_ok=True)

    def _compute_again(self) -> None:
        for layer in self.layers:
            vars(layer).pop("forward", None)
