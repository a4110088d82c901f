"""Faithfulness: where it is known which tokens give a label away, attributions name them, and the figures say so."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from dxtune.safety.attribution import Attributor, integral
from dxtune.safety.faithfulness import DRAWS, Attributed, faithfulness, rank_correlation, summary
from dxtune.tasks import classification
from dxtune.training.base_model import load_tokenizer
from tests.training.test_trainer import tokens, train

SPECIAL = [0, 2, 3]


def test_named_tokens_matter_more_than_random_ones_where_the_evidence_is_known(tiny_model: Path, tmp_path: Path) -> None:
    model, fitted = train(tiny_model, tmp_path)
    assert fitted.metrics["validation_macro_f1"] > 0.9, "it has learnt that the tokens 50 to 52 are the labels"
    settings: dict[str, Any] = {"pad_token_id": 0, "unk_token_id": 1}
    model.tokenizer = load_tokenizer(tiny_model)
    settings |= classification.fit(model.eval(), tokens(40, 1), settings, False)
    predict = partial(classification.predict, model, settings=settings, bf16=False)
    test = tokens(30, 2)
    attributor = Attributor(model, 0, SPECIAL, bf16=False)
    notes, named = [], []
    for row, made in zip(test.to_dicts(), predict(test)["probabilities"], strict=True):
        label, windows = int(made.arg_max() or 0), [{"input_ids": row["input_ids"]}]
        scores = attributor.scores(windows, label, integral(8))
        notes.append(Attributed(row["note_id"], row["patient_id"], label, windows, scores))
        named.append(row["input_ids"][int(scores.argmax())] == 50 + label)
    assert np.mean(named) > 0.9, "the strongest token is the one that gives the label away"

    found = faithfulness(notes, predict, SPECIAL)
    assert found["note_id"].to_list() == test["note_id"].to_list()
    figures = summary(found, 200)
    assert figures["comprehensiveness_difference_low"] > 0 > figures["sufficiency_difference_high"]
    assert figures["comprehensiveness"] == pytest.approx(found["comprehensiveness"].mean())
    assert found.equals(faithfulness(notes, predict, SPECIAL))


def test_what_is_left_out_and_what_is_left_alone() -> None:
    windows = [
        {"input_ids": [2, 10, 11, 12, 3], "token_type_ids": [0, 0, 0, 1, 1]},
        {"input_ids": [2, 13, 14, 3], "token_type_ids": [0, 1, 1, 1]},
    ]
    note = Attributed("n", "p", 1, windows, np.array([0.0, 0.1, 0.5, -0.9, 0.0, 0.0, 0.2, 0.3, 0.0]))
    seen = []

    def predict(table: pl.DataFrame) -> pl.DataFrame:
        seen.append(table)
        share = pl.col("input_ids").list.contains(11).any().cast(pl.Float64)
        made = table.group_by("note_id", maintain_order=True).agg(share.alias("has"))
        return made.with_columns(pl.concat_list(1 - pl.col("has"), "has").alias("probabilities"))

    found = faithfulness([note], predict, SPECIAL)
    rows = {key: frame for (key,), frame in seen[0].partition_by("note_id", as_dict=True).items()}
    assert len(rows) == 1 + 2 * (1 + DRAWS)
    assert rows["0/whole"]["input_ids"].to_list() == [window["input_ids"] for window in windows]
    assert rows["0/named/without"]["input_ids"].to_list() == [[2, 10, 12, 3], [2, 13, 14, 3]], "a fifth of five tokens"
    assert rows["0/named/without"]["token_type_ids"].to_list() == [[0, 0, 1, 1], [0, 1, 1, 1]]
    assert rows["0/named/alone"]["input_ids"].to_list() == [[2, 11, 3], [2, 3]]
    assert rows["0/named/alone"]["length"].to_list() == [3, 2]
    assert found.select("comprehensiveness", "sufficiency").row(0) == (1.0, 0.0)
    assert 0 <= found["comprehensiveness_random"][0] <= found["sufficiency_random"][0] <= 1


def test_ranks_are_compared() -> None:
    some = np.array([0.1, 0.4, 0.2])
    assert rank_correlation(some, some**3) == 1
    assert np.isnan(rank_correlation(some, np.zeros(3)))
