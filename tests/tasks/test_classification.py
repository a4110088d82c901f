"""The head of classification starts from a regression where that knows something, and from scratch where it does not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dxtune.tasks import classification, encoder


def tokens(labels: np.ndarray, words: np.ndarray) -> pl.DataFrame:
    """Notes of a patient each; a word is three tokens."""
    ids = [[2, 10 + word, 20 + word, 30 + word, 3] for word in words.tolist()]
    names = [f"n{row:03d}" for row in range(len(labels))]
    frame = pl.DataFrame({"note_id": names, "patient_id": names, "input_ids": ids, "label_id": labels})
    return frame.with_columns(length=pl.col("input_ids").list.len())


def test_it_starts_from_a_regression(tiny_model: Path) -> None:
    torch.manual_seed(0)
    labels = np.arange(60) % 3
    model, seen = classification.build(tiny_model, 3, 0.0, 0.0), tokens(labels, labels)
    classification.fit_head(model, seen, 0, bf16=False)
    vectors = encoder.by_row(model.eval().pool, seen, 0, bf16=False)
    probe = LogisticRegression(C=0.1, max_iter=1000).fit(vectors, labels)
    np.testing.assert_allclose(model.head.weight.detach(), probe.coef_, atol=1e-5)
    np.testing.assert_allclose(model.head.bias.detach(), probe.intercept_, atol=1e-5)


@pytest.mark.parametrize("counts", [(40, 12, 8), (1, 1, 1)], ids=["mostly one", "one note each"])
def test_it_stays_where_the_vectors_do_not_tell_the_labels(tiny_model: Path, counts: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    labels = np.repeat([0, 1, 2], counts)
    words = np.random.default_rng(0).integers(0, 5, len(labels))
    model, seen = classification.build(tiny_model, 3, 0.0, 0.0), tokens(labels, words)
    before = model.head.weight.clone()
    learned = classification.fit_head(model, seen, 0, bf16=False)
    assert torch.equal(model.head.weight, before) and not model.head.bias.any()
    assert learned["untuned"]["classes"] == [0, 1, 2]
