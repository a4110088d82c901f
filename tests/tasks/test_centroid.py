"""The untuned base model as a rival: its vectors are those of the base, and the nearest mean wins."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.neighbors import NearestCentroid

from dxtune.params import Params
from dxtune.tasks import classification, multilabel
from dxtune.tasks.centroid import fit_centroids, nearer_of_pairs, nearest_centroid, vectors_of
from dxtune.tasks.notes import encode
from dxtune.training.base_model import load_tokenizer

SETTINGS = {"max_tokens": 16, "long_notes": "windows", "stride": 2}
WORDS = ("wheeze and a cough", "flank pain and fever")


def corpus(split: str, notes: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "note_id": [f"{split}-{number:02d}" for number in range(notes)],
            "text": [f"{WORDS[number % 2]}, seen {number} " * (1 + 4 * (number % 3 == 0)) for number in range(notes)],
            "label_id": [2 * (number % 2) for number in range(notes)],
        }
    )


def test_the_class_of_the_nearest_mean_wins(tiny_model: Path, params_with: Callable[..., Params]) -> None:
    params = params_with(model={"name": str(tiny_model), "sha256": None}, train={"precision": "fp32"})
    train, test = corpus("train", 20), corpus("test", 9)
    torch.manual_seed(0)
    tokens = encode(load_tokenizer(tiny_model).to_str(), *SETTINGS.values(), train).tables["tokens"]
    assert tokens.height > train.height, "some are read in windows"
    learned = classification.fit_head(classification.build(tiny_model, 3, 0.0, 0.0), tokens, 0, bf16=False)
    assert learned["untuned"]["classes"] == [0, 2]
    found = nearest_centroid(test.sample(fraction=1, shuffle=True, seed=1), 3, SETTINGS | learned, params)

    vectors = [vectors_of(some, SETTINGS, params) for some in (train, test)]
    np.testing.assert_allclose(np.linalg.norm(vectors[0], axis=1), 1)
    oracle = NearestCentroid().fit(vectors[0], train["label_id"].to_numpy())
    np.testing.assert_allclose(learned["untuned"]["means"], oracle.centroids_, atol=1e-5)
    assert found.argmax(axis=1).tolist() == oracle.predict(vectors[1]).tolist()
    assert found.shape == (9, 3) and found.sum() == 9


def test_of_a_single_class_that_one_is_nearest() -> None:
    tokens = pl.DataFrame({"note_id": ["a", "b"], "label_id": [1, 1]})
    assert fit_centroids(tokens, np.eye(2)) == {"classes": [1], "means": [[0.5, 0.5]]}


def test_of_several_labels_each_that_the_nearer_mean_has(tiny_model: Path, params_with: Callable[..., Params]) -> None:
    params = params_with(model={"name": str(tiny_model), "sha256": None}, train={"precision": "fp32"})
    ids = {split: [[1, *[0] * (number % 2)] for number in range(size)] for split, size in (("train", 20), ("test", 9))}
    lists = {split: pl.Series("label_ids", rows, dtype=pl.List(pl.Int64)) for split, rows in ids.items()}
    train, test = (corpus(split, len(rows)).with_columns(lists[split]) for split, rows in ids.items())
    torch.manual_seed(0)
    tokens = encode(load_tokenizer(tiny_model).to_str(), *SETTINGS.values(), train).tables["tokens"]
    learned = multilabel.fit_head(multilabel.build(tiny_model, 3, 0.0, 0.0), tokens, 0, bf16=False)
    found = nearer_of_pairs(test.sample(fraction=1, shuffle=True, seed=1), SETTINGS | learned, params)

    vectors = [vectors_of(some, SETTINGS, params) for some in (train, test)]
    oracle = NearestCentroid().fit(vectors[0], [0 in row for row in ids["train"]])
    np.testing.assert_allclose(learned["untuned"]["pairs"][0], oracle.centroids_, atol=1e-5)
    assert found[:, 0].tolist() == oracle.predict(vectors[1]).tolist()
    assert [pair[has] for pair, has in zip(learned["untuned"]["pairs"][1:], (0, 1), strict=True)] == [None, None]
    assert found[:, 1].tolist() == [1] * 9 and found[:, 2].tolist() == [0] * 9, "all training notes have it, or none"
