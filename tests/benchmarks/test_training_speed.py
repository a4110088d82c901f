"""The small version of the benchmark of training: every recipe learns the same notes, and says how well."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import training_speed
from benchmarks.training_speed import RECIPES, ours, transformers_own
from dxtune.params import Params
from tests.tasks.test_classification import tokens


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_tells_the_time_and_the_macro_f1(
    recipe: str, tiny_model: Path, params_with: Callable[..., Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_speed, "LAST", 1)  # the tiny model has two
    params = params_with(model={"name": str(tiny_model), "sha256": None}, train={"precision": "fp32", "threads": 1})
    labels = np.arange(30) % 3
    splits = dict.fromkeys(("train", "validation", "test"), tokens(labels, labels))
    run = partial(ours if recipe.startswith("ours") else transformers_own, recipe)(params, splits, 3, 1)
    assert run.example_s > 0 and run.whole_s > 0
    assert run.macro_f1 is not None and 0 <= run.macro_f1 <= 1
    assert not recipe.startswith("ours") or run.macro_f1 == 1, "the head starts from a regression that knows these words"
