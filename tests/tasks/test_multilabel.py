"""tasks/multilabel.py: its loss, its head, its thresholds, and labels that come back from a saved model."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dxtune.evaluation.multilabel import macro_f1, multi_hot
from dxtune.tasks import encoder, multilabel
from dxtune.training.base_model import load_tokenizer

ROWS = [{"input_ids": [2, 10, 11, 3], "label_ids": [0, 2]}, {"input_ids": [2, 12, 3], "label_ids": []}]


def tokens(rows: int) -> pl.DataFrame:
    """Notes with label 0 where token 50 stands, label 1 where token 51 does, and label 2 never."""
    rng = np.random.default_rng(0)
    has = rng.random((rows, 2)) < 0.5
    ids = [[2, *rng.integers(60, 90, 6).tolist(), *(50 + np.flatnonzero(row)).tolist(), 3] for row in has]
    labels = [np.flatnonzero(row).tolist() for row in has]
    schema = {"note_id": pl.String, "input_ids": pl.List(pl.Int32), "label_ids": pl.List(pl.Int64)}
    frame = pl.DataFrame({"note_id": [f"n{row}" for row in range(rows)], "input_ids": ids, "label_ids": labels}, schema=schema)
    return frame.with_columns(patient_id="note_id")


def test_loss_is_the_mean_binary_cross_entropy_and_micro_batches_add_up(tiny_model: Path) -> None:
    torch.manual_seed(0)
    model = multilabel.build(tiny_model, 3, 0.0, 0.0).eval()
    batch = multilabel.collate(ROWS, 0, 3)
    assert batch["labels"].tolist() == [[1, 0, 1], [0, 0, 0]]
    out = model(**batch)
    torch.testing.assert_close(out["loss"], torch.nn.BCEWithLogitsLoss()(out["logits"], batch["labels"]))
    parts = [model(**multilabel.collate([row], 0, 3), num_items_in_batch=6)["loss"] for row in ROWS]
    torch.testing.assert_close(sum(parts), out["loss"])


def test_the_head_starts_from_a_regression_for_each_label(tiny_model: Path) -> None:
    torch.manual_seed(0)
    model, seen = multilabel.build(tiny_model, 3, 0.0, 0.0), tokens(40)
    before = model.head.weight[2].clone()
    multilabel.fit_head(model, seen, 0, bf16=False)
    vectors = encoder.by_row(model.eval().pool, seen, 0, bf16=False)
    probe = LogisticRegression(C=0.1, max_iter=1000).fit(vectors, multi_hot(seen["label_ids"], 3)[:, 1])
    np.testing.assert_allclose(model.head.weight[1].detach(), probe.coef_[0], atol=1e-5)
    assert torch.equal(model.head.weight[2], before), "nothing is known of a label that no note has"


def test_thresholds_are_fitted_saved_and_applied(tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, seen = multilabel.build(tiny_model, 3, 0.0, 0.0), tokens(40)
    multilabel.fit_head(model, seen, 0, bf16=False)
    model.tokenizer = load_tokenizer(tiny_model)
    learned = multilabel.fit(model.eval(), seen, {"pad_token_id": 0, "unk_token_id": 1}, bf16=False)
    assert learned["temperature"] > 0
    assert len(learned["thresholds"]) == 3 and learned["thresholds"][2] == 0.5
    settings = {"pad_token_id": 0, "unk_token_id": 1, **learned}
    multilabel.save(model, tmp_path / "m", ["a", "b", "c"], settings)
    loaded, labels, kept = multilabel.load(tmp_path / "m")
    loaded.tokenizer = model.tokenizer
    made = multilabel.predict(loaded, seen, kept, bf16=False)
    given = multilabel.answers(made, seen, labels, kept)
    probabilities = np.array(made["probabilities"].to_list())
    guess = probabilities >= np.array(learned["thresholds"])
    assert [answer.labels for answer in given] == [tuple(np.array(["a", "b", "c"])[row].tolist()) for row in guess]
    truth = multi_hot(seen["label_ids"], 3)
    assert macro_f1(truth, guess) >= macro_f1(truth, probabilities >= 0.5), "no worse than one half for all"
    best = multilabel.scorer(seen)(encoder.by_row(lambda **batch: loaded(**batch)["logits"], seen, 0, bf16=False))
    assert best["macro_f1"] == pytest.approx(macro_f1(truth, guess))
    assert str(given[0]).count("\n") == 2
