"""tasks/frozen.py: a step on remembered vectors is the step on the whole encoder, and all layers come back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from dxtune.params import Params
from dxtune.tasks import classification
from dxtune.tasks.encoder import NoteModel
from dxtune.tasks.frozen import FILE, Frozen
from dxtune.training.method import adapt, stack
from tests.training import architectures
from tests.training.test_trainer import tokens

TABLES = (tokens(30, 0), tokens(10, 1))
With = Callable[..., Params]


def prepared(base: Path, params: Params, folder: Path) -> tuple[NoteModel, Frozen, pl.DataFrame, Any]:
    """A model that begins above its frozen layers, and notes and the collator for it."""
    torch.manual_seed(0)
    model = classification.build(base, 3, 0.0, 0.0)
    model.encoder = adapt(model.encoder, params.model)
    frozen = Frozen(model, params, TABLES, folder)
    (table, _), collate = frozen.read(TABLES, partial(classification.collate, pad_id=0, labels=3), 0, bf16=False)
    return model.eval(), frozen, table, collate


@pytest.mark.parametrize("name", architectures.CONFIGS)
@pytest.mark.parametrize("method", ["head", "last_n_layers"])
def test_a_step_is_that_of_the_whole_encoder(
    tiny_model: Path, tmp_path: Path, params_with: With, name: str, method: str
) -> None:
    base = architectures.build(name, tiny_model, tmp_path / name)
    params = params_with(model={"method": method, "last_layers": 1})
    model, frozen, table, collate = prepared(base, params, tmp_path)
    torch.manual_seed(0)
    whole = classification.build(base, 3, 0.0, 0.0).eval()
    whole.encoder = adapt(whole.encoder, params.model)
    batch = collate(table[3:9].to_dicts())
    made, expected = model(**batch), whole(**classification.collate(TABLES[0][3:9].to_dicts(), 0, 3))
    torch.testing.assert_close(made["logits"], expected["logits"], rtol=1e-3, atol=1e-3)
    made["loss"].backward()
    expected["loss"].backward()
    frozen.give_back()
    assert frozen.count == len(stack(model.encoder)[1]) - (method == "last_n_layers")
    assert not (tmp_path / FILE).exists()
    assert {*model.state_dict()} == {*whole.state_dict()}
    other = dict(whole.named_parameters())
    for key, parameter in model.named_parameters():
        assert (parameter.grad is None) == (other[key].grad is None), key
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, other[key].grad, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"method": "full"}},
        {"model": {"method": "last_n_layers", "last_layers": 2}},
        {"model": {"method": "head"}, "train": {"hidden_dropout": 0.1}},
        {"model": {"method": "head"}, "train": {"window_pooling": "learned"}, "tokenize": {"long_notes": "windows"}},
        {"model": {"method": "head"}, "train": {"processes": 2}},
    ],
)
def test_where_it_is_not_exact_or_nothing_is_frozen_all_layers_stay(
    tiny_model: Path, tmp_path: Path, params_with: With, changes: dict[str, Any]
) -> None:
    model, frozen, table, _ = prepared(tiny_model, params_with(**changes), tmp_path)
    assert frozen.count == 0 and table is TABLES[0] and model.recalled is None
    frozen.give_back()
    assert not (tmp_path / FILE).exists()


def test_layers_of_an_unknown_kind_are_read_whole(tiny_model: Path, tmp_path: Path, params_with: With) -> None:
    torch.manual_seed(0)
    model = classification.build(tiny_model, 3, 0.0, 0.0)
    params = params_with(model={"method": "head"})
    model.encoder = adapt(model.encoder, params.model)
    model.encoder.config.model_type = "one that nobody has tested"
    assert Frozen(model, params, TABLES, tmp_path).count == 0


def test_too_many_notes_are_read_whole(
    tiny_model: Path, tmp_path: Path, params_with: With, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dxtune.tasks.frozen.MOST", 1000)
    assert prepared(tiny_model, params_with(model={"method": "head"}), tmp_path)[1].count == 0
