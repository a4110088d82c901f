"""training/vocabulary.py: an encoder with the rows of the notes' tokens alone computes and learns the same."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from dxtune.params import load_params
from dxtune.tasks import classification
from dxtune.tasks.encoder import NoteModel
from dxtune.training.method import adapt
from dxtune.training.vocabulary import Vocabulary
from tests.conftest import ROOT
from tests.training import architectures
from tests.training.test_trainer import tokens


def narrowed(base: Path, pad_id: int, method: str = "full") -> tuple[NoteModel, Vocabulary, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = classification.build(base, 3, 0.0, 0.0)
    model.encoder = adapt(model.encoder, load_params(ROOT / "params.yaml").model.model_copy(update={"method": method}))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    return model, Vocabulary(model.encoder, (tokens(30, 0), tokens(10, 1)), pad_id), before


def batch(table: pl.DataFrame, pad_id: int) -> dict[str, torch.Tensor]:
    return classification.collate(table.to_dicts(), pad_id, 3)


@pytest.mark.parametrize("name", ["bert", "roberta", "mpnet", "distilbert", "electra", "deberta-v2", "gemma3"])
def test_logits_and_a_step_are_the_same_and_other_rows_stay(tiny_model: Path, tmp_path: Path, name: str) -> None:
    base, pad_id = architectures.build(name, tiny_model, tmp_path / name), int(name in ("roberta", "mpnet"))
    whole, _, _ = narrowed(base, pad_id)
    model, words, before = narrowed(base, pad_id)
    words.narrow(model.encoder)
    assert words.active and model.encoder.get_input_embeddings().num_embeddings == len(words.kept) < 50
    table = tokens(10, 1)
    for each, notes in ((whole, table), (model, words.renumber(table))):
        each.train()
        each(**batch(notes, pad_id))["loss"].backward()
        with torch.no_grad():
            for parameter in each.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.5 * parameter.grad)
    words.widen(model.encoder)
    learned = whole.state_dict()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, learned[key], rtol=1e-5, atol=1e-6)
    row = next(key for key in before if key.endswith(("word_embeddings.weight", "embed_tokens.weight")))
    others = np.setdiff1d(np.arange(len(before[row])), words.kept)
    assert torch.equal(model.state_dict()[row][others], before[row][others])
    assert not torch.equal(model.state_dict()[row], before[row])


def test_what_becomes_of_the_few_rows_is_not_done_to_the_whole_table(tiny_model: Path, tmp_path: Path) -> None:
    model, words, _ = narrowed(architectures.build("gemma3", tiny_model, tmp_path / "base"), 0)
    words.narrow(model.encoder)
    model.encoder.to("meta")  # any other device
    held = [*words.whole.parameters(), *words.whole.buffers()]
    assert len(held) == 2 and {each.device.type for each in held} == {"cpu"}


def test_numbers_are_those_of_the_rows_that_are_left(tiny_model: Path) -> None:
    model, words, before = narrowed(tiny_model, 0)
    table = tokens(10, 1)
    words.narrow(model.encoder)
    left = model.encoder.get_input_embeddings().weight
    for old, new in zip(table["input_ids"].to_list(), words.renumber(table)["input_ids"].to_list(), strict=True):
        assert torch.equal(left[new], before["encoder.embeddings.word_embeddings.weight"][old])
    assert words.number[0] == 0, "padding"
    assert words.renumber(table).drop("input_ids").equals(table.drop("input_ids"))
    assert words.renumber(table).schema == table.schema


@pytest.mark.parametrize(
    ("name", "method"), [("bert", "head"), ("bert", "last_n_layers"), ("bert", "lora"), ("modernbert", "full")]
)
def test_a_table_that_does_not_learn_or_pads_far_up_stays(tiny_model: Path, tmp_path: Path, name: str, method: str) -> None:
    model, words, before = narrowed(
        architectures.build(name, tiny_model, tmp_path / name), 1999 if name == "modernbert" else 0, method
    )
    words.narrow(model.encoder)
    table = tokens(10, 1)
    assert not words.active and words.renumber(table) is table
    words.widen(model.encoder)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
