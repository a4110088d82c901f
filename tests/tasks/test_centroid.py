"""The untuned base model as a rival: its vectors are those of the base, and the nearest mean wins."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from dxtune.params import Params
from dxtune.tasks.centroid import nearest_centroid, vectors_of

SETTINGS = {"max_tokens": 64, "long_notes": "truncate", "stride": 0}
WORDS = ("wheeze and a cough", "flank pain and fever", "rash")


def corpus(split: str, notes: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "note_id": [f"{split}-{number:02d}" for number in range(notes)],
            "text": [f"{WORDS[number % 2]}, seen {number}" for number in range(notes)],
            "label_id": [number % 2 for number in range(notes)],
        }
    )


def test_the_class_of_the_nearest_mean_wins(tiny_model: Path, params_with: Callable[..., Params]) -> None:
    params = params_with(model={"name": str(tiny_model), "sha256": None}, train={"precision": "fp32"})
    train, test = corpus("train", 20), corpus("test", 9)
    found = nearest_centroid(train.sample(fraction=1, shuffle=True, seed=1), test, 3, SETTINGS, params)
    vectors = [vectors_of(some, SETTINGS, params) for some in (train, test)]
    np.testing.assert_allclose(np.linalg.norm(vectors[0], axis=1), 1)
    means = np.stack([vectors[0][np.arange(20) % 2 == label].mean(axis=0) for label in range(2)])
    distance = np.linalg.norm(vectors[1][:, None] - means, axis=2)
    assert found.argmax(axis=1).tolist() == distance.argmin(axis=1).tolist() == [number % 2 for number in range(9)]
    assert found.shape == (9, 3) and found.sum() == 9
