"""The rows of the embedding table that a run can change: the others are put aside while it lasts.

A clinical corpus uses a few thousand of thirty thousand tokens, and the table is half of a small model. A token that is in no
training note gets no gradient, but the optimiser reads and writes its row in every step, and weight decay shrinks it for
nothing. Here only the tokens of the notes at hand have a row, so a step touches fewer numbers, and all other rows stay.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from torch import nn


class Vocabulary:
    """The tokens of some tables, renumbered; `narrow` and `widen` an encoder to them.

    tables: of records.tokens. pad_id keeps its number, since models know padding by it. Where the table of embeddings does not
    learn by itself (LoRA, the head alone, last layers, one that is tied to the output), or the padding is too far up, nothing
    changes.
    """

    def __init__(self, encoder: Any, tables: Sequence[pl.DataFrame], pad_id: int) -> None:
        self.whole: nn.Embedding = encoder.get_input_embeddings()
        found = np.unique(np.concatenate([[pad_id], *(_flat(table) for table in tables)]))
        others = found[found != pad_id]
        tied = encoder.get_output_embeddings() is not None
        self.active = bool(
            self.whole.weight.requires_grad and not tied and pad_id <= len(others) < self.whole.num_embeddings - 1
        )
        self.kept = np.insert(others, pad_id, pad_id) if self.active else np.arange(self.whole.num_embeddings)
        self.number = np.zeros(self.whole.num_embeddings, np.int32)
        self.number[self.kept] = np.arange(len(self.kept))

    def renumber(self, table: pl.DataFrame) -> pl.DataFrame:
        """A table with the numbers of the rows that `narrow` leaves in place of its input_ids."""
        if not self.active:
            return table
        ends = np.cumsum(table["input_ids"].list.len().to_numpy(), dtype=np.int32)
        lists = pa.ListArray.from_arrays(np.insert(ends, 0, 0), self.number[_flat(table)])
        return table.with_columns(pl.Series("input_ids", lists))

    def narrow(self, encoder: Any) -> None:
        """Leaves the encoder the rows of these tokens alone."""
        if self.active:
            rows = nn.Parameter(self.whole.weight.detach()[torch.from_numpy(self.kept)])
            small = deepcopy(self.whole, {id(self.whole.weight): rows})  # of its kind: some scale what they give (Gemma)
            small.num_embeddings = len(rows)
            encoder.set_input_embeddings(small)

    def widen(self, encoder: Any) -> None:
        """Gives the encoder its whole table back, with what these rows have become."""
        if self.active:
            with torch.no_grad():
                self.whole.weight[torch.from_numpy(self.kept)] = encoder.get_input_embeddings().weight.to(
                    self.whole.weight.device
                )
            encoder.set_input_embeddings(self.whole)


def _flat(table: pl.DataFrame) -> np.ndarray:
    return table["input_ids"].explode().drop_nulls().to_numpy()
