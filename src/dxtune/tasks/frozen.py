"""What frozen layers say of every note, computed once: with `head` and `last_n_layers` it is the same in every epoch.

A step then begins above them: it computes and differentiates the layers that learn, and no others.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from dxtune.params import Params
from dxtune.tasks.encoder import in_batches, run
from dxtune.training.attention import PADDING_MASK_ONLY
from dxtune.training.method import stack

MOST = 8 << 30
"""Bytes on disk; a corpus that would need more reads all layers in every step."""
FILE = "frozen.f16"
KIND = np.float16
"""Between layers, vectors are normalised: eleven bits are finer than the eight of the bf16 products that read them."""
AT, STATES = "states_at", "states"
Collate = Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]


class Recalled(nn.Module):
    """A layer in the place of those below: it gives what they said of the notes of the present batch."""

    def __init__(self) -> None:
        super().__init__()
        self.states: torch.Tensor | None = None  # (batch, length, size)

    def forward(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """`states`, whatever comes in."""
        assert self.states is not None
        return self.states.to(hidden_states.dtype)


class Frozen:
    """The layers of a NoteModel's encoder below the first one that learns; none where remembering is not exact or not worth it.

    It is exact without dropout, where every note is read alone (no learned pooling of windows), by one process, in an encoder
    of a kind that adds nothing after its last layer.
    """

    def __init__(self, model: Any, params: Params, tables: tuple[pl.DataFrame, ...], folder: Path) -> None:
        self.model, self.file = model, folder / FILE
        self.tokens = sum(int(table["length"].sum()) for table in tables)
        dropout = params.train.hidden_dropout or params.train.attention_dropout
        exact = not dropout and params.train.window_pooling == "mean" and params.train.processes == 1
        known = hasattr(model, "recalled") and model.encoder.config.model_type in PADDING_MASK_ONLY
        self.count = 0
        if exact and known and params.model.method in ("head", "last_n_layers"):
            name, self.layers = stack(model.encoder)
            self.parent, self.name = model.encoder.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
            learn = [any(each.requires_grad for each in layer.parameters()) for layer in self.layers]
            self.count = learn.index(True) if True in learn else len(learn)
        self.size = getattr(model.encoder.config, "hidden_size", 0)
        if self.tokens * self.size * KIND().itemsize > MOST:
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
        self.states = np.memmap(self.file, KIND, "w+", shape=(self.tokens, self.size))
        setattr(self.parent, self.name, self.layers[: self.count])
        placed, start = [], 0
        self.model.eval()
        for table in tables:
            lengths = table["length"].to_numpy().astype(np.int64)
            places = start + np.cumsum(lengths) - lengths
            for numbers, values in in_batches(self._below, table, pad_id, bf16):
                for number, each in zip(numbers, values, strict=True):
                    self.states[places[number] : places[number] + lengths[number]] = each[: lengths[number]]
            placed.append(table.with_columns(pl.Series(AT, places)))
            start += int(lengths.sum())
        self.model.train()
        self.model.recalled = Recalled()
        setattr(self.parent, self.name, nn.ModuleList([self.model.recalled, *self.layers[self.count :]]))
        return tuple(placed), partial(self._collate, collate)

    def _below(self, **batch: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = run(self.model.encoder, **batch).last_hidden_state
        return states

    def _collate(self, collate: Collate, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = collate(rows)
        states = torch.zeros(*batch["input_ids"].shape, self.size, dtype=torch.float16)
        for number, row in enumerate(rows):
            length = len(row["input_ids"])
            states[number, :length] = torch.from_numpy(self.states[row[AT] : row[AT] + length])
        return batch | {STATES: states}

    def give_back(self) -> None:
        """All layers in their places again."""
        if self.count:
            setattr(self.parent, self.name, self.layers)
            self.model.recalled = None
            del self.states
            self.file.unlink(missing_ok=True)
