"""The order of batches: notes of like length together, fixed by (seed, epoch) alone."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

POOL = 32
"""Batches' worth of notes that are sorted by length together: more save padding, fewer mix lengths better."""


def bucketed_order(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of the rows, in which each run of `batch_size` rows has like lengths.

    lengths: (n,) tokens a note. The order depends on (lengths, batch_size, seed, epoch) only, so that a resumed run goes
    through the same batches as one that was never stopped.

    >>> order = bucketed_order(np.array([5, 1, 5, 1]), 2, seed=0, epoch=0)
    >>> sorted(order.tolist()), {*order[:2].tolist()} in ({0, 2}, {1, 3})
    ([0, 1, 2, 3], True)
    """
    rng = np.random.Generator(np.random.PCG64([seed, epoch]))
    shuffled = rng.permutation(len(lengths))
    span = batch_size * POOL
    pools = [shuffled[i : i + span] for i in range(0, len(shuffled), span)]
    ordered = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    full = len(ordered) // batch_size * batch_size
    batches = list(ordered[:full].reshape(-1, batch_size))
    order = rng.permutation(len(batches))
    return np.concatenate([*(batches[i] for i in order), ordered[full:]])


class BucketSampler(Sampler[int]):
    """Yields `bucketed_order`, another one each epoch."""

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(bucketed_order(self.lengths, self.batch_size, self.seed, self.epoch).tolist())
