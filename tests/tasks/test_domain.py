"""tasks/domain.py: which words are hidden, whose head guesses them, and an encoder that is the better for it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoConfig, BertConfig, BertForMaskedLM, BertModel

from dxtune.errors import ModelError
from dxtune.tasks import classification, domain, question_answering, spans
from dxtune.tasks.notes import encode
from dxtune.training.base_model import load_tokenizer
from dxtune.training.bucket_trainer import ROWS
from tests.tasks.test_architectures import ENCODERS, NOTES
from tests.training.architectures import build
from tests.training.test_trainer import settings, tokens, weights

UNMASKED = ("gemma3",)
"""Encoders that were never taught with hidden words."""
MASK = 4
ORDINARY = np.arange(2000) >= 5


def rows(lengths: list[int]) -> list[dict[str, object]]:
    return [{"input_ids": [2, *range(100, 100 + length), 3], ROWS: row} for row, length in enumerate(lengths)]


def batch(lengths: list[int], epoch: int = 0, seed: int = 13) -> dict[str, torch.Tensor]:
    return domain.collate(rows(lengths), epoch, 0, seed, ORDINARY, MASK)  # type: ignore[arg-type]


def test_fifteen_of_a_hundred_are_hidden_and_eight_of_ten_behind_the_mask() -> None:
    made = batch([400] * 50)
    hidden = made["labels"] != domain.IGNORED
    before = torch.tensor([row["input_ids"] for row in rows([400] * 50)])
    ids, before = made["input_ids"][:, :402], torch.nn.functional.pad(before, (0, 0))
    hidden = hidden[:, :402]
    assert hidden.sum(1).tolist() == [60] * 50
    assert torch.equal(made["labels"][:, :402][hidden], before[hidden]), "what they were"
    assert torch.equal(ids[~hidden], before[~hidden]), "all others are left as they were"
    assert not hidden[:, [0, 401]].any(), "what a note begins and ends with is no word"
    masked, kept = (ids[hidden] == MASK).double().mean(), (ids[hidden] == before[hidden]).double().mean()
    assert masked == pytest.approx(0.8, abs=0.03) and kept == pytest.approx(0.1, abs=0.02)
    assert bool((ids[hidden] >= 4).all()), "nothing special takes the place of a word"


def test_what_is_hidden_depends_on_seed_epoch_and_row_alone() -> None:
    whole = batch([30, 20, 10])
    alone = domain.collate(rows([30, 20, 10])[1:2], 0, 0, 13, ORDINARY, MASK)  # type: ignore[arg-type]
    assert alone["labels"][0, :22].tolist() == whole["labels"][1, :22].tolist()
    assert alone["input_ids"][0, :22].tolist() == whole["input_ids"][1, :22].tolist()
    assert torch.equal(whole["labels"], batch([30, 20, 10])["labels"])
    assert not torch.equal(whole["labels"], batch([30, 20, 10], epoch=1)["labels"])
    assert not torch.equal(whole["labels"], batch([30, 20, 10], seed=14)["labels"])
    assert (batch([1, 2, 3])["labels"] != domain.IGNORED).sum(1).tolist() == [1, 1, 1], "one at the least"


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in UNMASKED])
def test_every_architecture_fills_gaps(name: str, tiny_model: Path, tmp_path: Path) -> None:
    base = build(name, tiny_model, tmp_path / "base")
    for task, encoded in ((classification, encode), (question_answering, spans.encode)):
        notes = encoded(load_tokenizer(base).to_str(), 24, "windows", 4, NOTES).tables["tokens"]
        model = task.build(base, 2, 0.0, 0.0)
        before = weights(model)
        chosen = settings(domain_adaptation_epochs=1, batch_size=4)
        how = {"precision": "fp32", "checkpoints": tmp_path / task.__name__}
        curve = domain.adapt(model, base, base, notes, chosen, **how)
        assert curve["loss"].is_finite().all() and curve.height == -(-notes.height // 4)
        changed = {key for key, value in weights(model).items() if not torch.equal(value, before[key])}
        assert changed and not any(key.startswith("head.") for key in changed)


def test_the_head_is_the_checkpoints_own_or_a_fresh_one_tied_to_the_embeddings(tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    own = BertForMaskedLM(BertConfig.from_pretrained(tiny_model)).eval()
    made = batch([30, 20])
    expected = own(made["input_ids"], made["attention_mask"], labels=made["labels"]).loss
    filler = domain.GapFiller(own)
    torch.testing.assert_close(filler(**made)["loss"], expected)
    names = [name for name in filler.state_dict() if "word_embeddings" in name or "decoder.weight" in name]
    assert names == ["encoder.embeddings.word_embeddings.weight"], "a weight with two names is saved once"
    assert filler.head.cls.predictions.decoder.weight is filler.encoder.embeddings.word_embeddings.weight
    parts = domain.collate(rows([30, 20])[:1], 0, 0, 13, ORDINARY, MASK)  # type: ignore[arg-type]
    items = (made["labels"] != domain.IGNORED).sum()
    other = {name: tensor[1:] for name, tensor in made.items()}
    total = filler(**parts, num_items_in_batch=items)["loss"] + filler(**other, num_items_in_batch=items)["loss"]
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_to_guess_and_leaves_the_pooler_alone(tiny_model: Path, tmp_path: Path, precision: str) -> None:
    base = tmp_path / "base"
    torch.manual_seed(0)
    BertModel(BertConfig.from_pretrained(tiny_model), add_pooling_layer=True).save_pretrained(base)
    (base / "tokenizer.json").write_bytes((tiny_model / "tokenizer.json").read_bytes())
    model = classification.build(base, 3, 0.0, 0.0)
    before = weights(model)
    how = {"precision": precision, "checkpoints": tmp_path / "checkpoints"}
    curve = domain.adapt(model, base, base, tokens(120, 0), settings(domain_adaptation_epochs=3, lr=5e-3), **how)
    assert curve["loss"][0] > 7 and curve["loss"][-1] < 5, "of 2000 tokens, 33 are in use"
    after = weights(model)
    assert {key for key in after if torch.equal(after[key], before[key]) and "encoder.encoder" not in key} >= {
        "head.weight",
        "head.bias",
        "encoder.pooler.dense.weight",
        "encoder.pooler.dense.bias",
    }


def test_notes_a_few_at_a_time_give_the_same_curve(tiny_model: Path, tmp_path: Path) -> None:
    curves = []
    for micro_batch in (None, 3):
        torch.manual_seed(0)
        model = classification.build(tiny_model, 3, 0.0, 0.0)
        chosen = settings(domain_adaptation_epochs=1, micro_batch=micro_batch)
        how = {"precision": "fp32", "checkpoints": tmp_path / str(micro_batch)}
        curves.append(domain.adapt(model, tiny_model, tiny_model, tokens(60, 0), chosen, **how))
    np.testing.assert_allclose(curves[0]["loss"], curves[1]["loss"], rtol=1e-4)


@pytest.mark.parametrize("name", ["llama", *UNMASKED])
def test_a_model_that_never_filled_gaps_is_refused(name: str, tiny_model: Path, tmp_path: Path) -> None:
    base = build(name, tiny_model, tmp_path / "base")
    kind = AutoConfig.from_pretrained(base).model_type
    assert kind.startswith(name)
    model = classification.build(base, 3, 0.0, 0.0)
    how = {"precision": "fp32", "checkpoints": tmp_path / "checkpoints"}
    with pytest.raises(ModelError, match=rf"domain_adaptation_epochs = 1: expected a masked.*found {kind}: set it"):
        domain.adapt(model, base, base, tokens(16, 0), settings(domain_adaptation_epochs=1), **how)


def test_a_row_without_words_is_passed_over(tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = classification.build(tiny_model, 3, 0.0, 0.0)
    empty = tokens(8, 3).with_columns(pl.Series("input_ids", [[2, 3]] * 8, dtype=pl.List(pl.Int32)), length=pl.lit(2, pl.Int32))
    how = {"precision": "fp32", "checkpoints": tmp_path / "checkpoints"}
    notes = pl.concat([tokens(16, 0), empty])
    assert domain.adapt(model, tiny_model, tiny_model, notes, settings(domain_adaptation_epochs=1), **how).height == 2
