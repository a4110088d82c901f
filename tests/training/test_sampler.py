"""training/sampler.py: every note once an epoch, like lengths together, the same order whenever asked."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dxtune.training.sampler import BucketSampler, bucketed_order


@given(st.lists(st.integers(1, 500), min_size=1, max_size=300), st.integers(1, 17), st.integers(0, 9), st.integers(0, 9))
def test_a_permutation_fixed_by_seed_and_epoch(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    order = bucketed_order(np.array(lengths), batch_size, seed, epoch)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert order.tolist() == bucketed_order(np.array(lengths), batch_size, seed, epoch).tolist()


def test_epochs_and_seeds_differ_and_padding_is_little() -> None:
    lengths = np.random.default_rng(0).integers(20, 400, 2000)
    orders = [bucketed_order(lengths, 16, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert len({tuple(order.tolist()) for order in orders}) == 3
    batches = lengths[orders[0]].reshape(-1, 16)
    padded = batches.max(1, keepdims=True).repeat(16, axis=1).sum()
    shuffled = np.random.default_rng(1).permutation(lengths).reshape(-1, 16)
    assert padded / lengths.sum() < 1.03 < shuffled.max(1).sum() * 16 / lengths.sum()
    first = [lengths[order[:16]].mean() for order in (bucketed_order(lengths, 16, 0, epoch) for epoch in range(20))]
    assert np.std(first) > 30, "batches come in random order, not from short to long"


def test_sampler_follows_its_epoch() -> None:
    sampler = BucketSampler(np.arange(40), 4, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert len(sampler) == 40
