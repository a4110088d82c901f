"""tasks/responses.py and overlap.py: figures worked out by hand, identifiers found, and likeness in meaning."""

import numpy as np
import polars as pl
import pytest

from dxtune.evaluation.texts import perplexity, score
from dxtune.evaluation.weighted import mean_of_defined as mean
from dxtune.params import load_params
from dxtune.tasks.overlap import overlap
from dxtune.tasks.responses import ENCODER, holds_phi, nearest_responses
from dxtune.training.base_model import find_base_model
from tests.conftest import ROOT


def test_exact_counts_short_references_alone() -> None:
    figures = score(["Yes.", "no", "a long answer to it all"], ["yes", "yes", "a long answer to it all, in many words"])
    np.testing.assert_array_equal(figures["exact"], [1, 0, np.nan])
    assert figures["rouge_1"].tolist() == pytest.approx([1, 0, 12 / 15])
    assert "exact" not in score(["a"], ["one two three four five six"])


def test_means_and_perplexity_under_weights() -> None:
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0], [0.0, 0.0, 3.0]])
    np.testing.assert_allclose(mean(np.array([1.0, 0.0, np.nan]))(weights), [0.5, 1.0, np.nan])
    frame = pl.DataFrame({"nll": [2.0, 6.0, 0.0], "tokens": [2, 3, 4]})
    np.testing.assert_allclose(perplexity(frame)(weights), np.exp([8 / 9, 4 / 8, 0]))


def test_identifiers_are_found_and_placeholders_are_none() -> None:
    answers = ["Call Mr. Zbigniew Foley, phone 555-201-3344.", "Mr. [NAME], seen [DATE-2019], takes aspirin.", ""]
    assert holds_phi(answers).tolist() == [1, 0, 0]


def test_the_nearest_prompt_answers() -> None:
    train = pl.DataFrame({"text": ["what is asthma", "what is gout"], "response": ["of the lung", "of the joints"]})
    assert nearest_responses(train, ["tell me of gout", "is asthma bad", "zzz"]) == [
        "of the joints",
        "of the lung",
        "of the lung",
    ]


def test_overlap_is_likeness_in_meaning() -> None:
    params = load_params(ROOT / "params.yaml").model
    folder = find_base_model(params.model_copy(update={"name": ENCODER, "sha256": None}))
    reference = "The heart does not pump enough blood."
    same, close, far, empty = overlap(
        [reference, "The heart pumps too little blood.", "Bake the bread at noon.", ""], [reference] * 4, folder
    )
    assert same == pytest.approx(1, abs=1e-6)
    assert empty == 0
    assert 1 > close > far + 0.2
    alone = overlap(["The heart pumps too little blood."], [reference], folder)
    assert alone[0] == pytest.approx(close, abs=1e-5), "whatever stands beside it"
