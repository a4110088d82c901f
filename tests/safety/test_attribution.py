"""Integrated gradients: exact where the model is linear, complete on a BERT, the same for windows, gone with random weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dxtune.safety.attribution import Attributor, completeness_error, integral, randomised, special_ids
from dxtune.safety.faithfulness import Attributed, agreement
from dxtune.tasks import classification
from dxtune.tasks.encoder import NoteModel
from dxtune.training.base_model import load_tokenizer

SPECIAL = [0, 2, 3]
ONE = [{"input_ids": [2, 7, 8, 9, 7, 3]}]
TWO = [{"input_ids": [2, 7, 8, 3]}, {"input_ids": [2, 9, 10, 11, 12, 3]}]


class Embeddings(nn.Module):
    """An encoder that does nothing to its embeddings, so that a NoteModel with it is linear in them."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=4)
        self.embeddings = nn.Embedding(20, 4)

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=self.embeddings(input_ids))


def bert(folder: Path) -> NoteModel:
    torch.manual_seed(1)
    model = classification.build(folder, 3, 0.0, 0.0)
    nn.init.normal_(model.head.weight)  # the logits of a fresh head hardly move
    return model


@pytest.mark.parametrize("steps", [1, 5])
def test_of_a_linear_model_every_score_is_what_the_token_adds(steps: int) -> None:
    torch.manual_seed(0)
    model = NoteModel(Embeddings(), "mean", 2, classification.cross_entropy)
    scores = Attributor(model, 0, SPECIAL, bf16=False).scores(ONE, 1, integral(steps))
    vectors, weight = model.encoder.embeddings.weight, model.head.weight[1]
    each = ((vectors[ONE[0]["input_ids"]] - vectors[0]) @ weight / 6).double().numpy()
    np.testing.assert_allclose(scores, np.where(np.isin(ONE[0]["input_ids"], SPECIAL), 0, each), atol=1e-6)
    change = Attributor(model, 0, SPECIAL, bf16=False).change(ONE, 1)
    assert completeness_error(scores, change) < 1e-3


@pytest.mark.parametrize("windows", [ONE, TWO], ids=["one window", "two windows"])
@pytest.mark.parametrize("learned", [False, True], ids=["mean", "learned"])
def test_scores_of_a_bert_add_up_to_what_its_logit_changes_by(tiny_model: Path, windows: Any, learned: bool) -> None:
    model = bert(tiny_model)
    if learned:
        model.weigh_windows()
        nn.init.normal_(model.weights.weight)  # type: ignore[union-attr]
    attributor = Attributor(model, 0, SPECIAL, bf16=False)
    scores, change = attributor.scores(windows, 2, integral(24)), attributor.change(windows, 2)
    ids = np.concatenate([window["input_ids"] for window in windows])
    assert len(scores) == len(ids) and not scores[np.isin(ids, SPECIAL)].any() and scores[~np.isin(ids, SPECIAL)].all()
    assert completeness_error(scores, change) < 0.01
    logits = np.array([[made.item() for made in model(**pad_of(window))["logits"][0]] for window in windows])
    if not learned:
        nothing = [{"input_ids": [number if number in SPECIAL else 0 for number in window["input_ids"]]} for window in windows]
        empty = np.array([[made.item() for made in model(**pad_of(window))["logits"][0]] for window in nothing])
        assert change == pytest.approx((logits - empty)[:, 2].mean(), abs=1e-5)
    assert np.array_equal(scores, attributor.scores(windows, 2, integral(24))), "the same bytes again"


def pad_of(window: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    ids = torch.tensor([window["input_ids"]])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def test_they_are_those_of_captum(tiny_model: Path) -> None:
    captum = pytest.importorskip("captum.attr", reason="captum is not installed: pip install 'dxtune[dev]'")
    model = bert(tiny_model)
    ours = Attributor(model, 0, SPECIAL, bf16=False).scores(ONE, 1, integral(16))
    inputs = pad_of(ONE[0])
    without = torch.tensor([[2, 0, 0, 0, 0, 3]])
    theirs = captum.LayerIntegratedGradients(model.read, model.encoder.get_input_embeddings())
    how = {"target": 1, "additional_forward_args": inputs["attention_mask"], "n_steps": 16, "method": "gausslegendre"}
    found = theirs.attribute(inputs["input_ids"], without, **how)
    np.testing.assert_allclose(ours, found.sum(-1)[0].detach().numpy(), rtol=1e-3, atol=1e-6)


def test_random_weights_give_other_attributions(tiny_model: Path) -> None:
    rng = np.random.default_rng(0)
    model = bert(tiny_model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    own = Attributor(model, 0, SPECIAL, bf16=False)
    notes = []
    for number in range(20):
        windows = [{"input_ids": [2, *rng.integers(10, 200, 40).tolist(), 3]}]
        label = number % 3
        notes.append(Attributed(f"n{number}", f"p{number}", label, windows, own.scores(windows, label, integral(4))))
    assert agreement(notes, [note.scores for note in notes], SPECIAL) == pytest.approx(1)
    for head_alone in (True, False):
        other = randomised(model, head_alone)
        scores = [Attributor(other, 0, SPECIAL, bf16=False).scores(note.windows, note.label, integral(4)) for note in notes]
        assert abs(agreement(notes, scores, SPECIAL)) < 0.5, head_alone
        changed = {name for name, value in other.state_dict().items() if not torch.equal(value, before[name])}
        assert {"head.weight", "head.bias"} <= changed and (changed == {"head.weight", "head.bias"}) == head_alone
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "the model stays as it was"


def test_notes_that_are_read_together_have_the_scores_of_each(tiny_model: Path) -> None:
    rng = np.random.default_rng(0)
    attributor = Attributor(bert(tiny_model), 0, SPECIAL, bf16=False)
    notes: list[Any] = [([{"input_ids": [2, *rng.integers(10, 200, size).tolist(), 3]}], size % 3) for size in range(5, 60, 5)]
    notes += [(TWO, 1), (ONE, 2)]
    for steps in (1, 8):
        found = attributor.each(notes, integral(steps))
        for (windows, label), scores in zip(notes, found, strict=True):
            np.testing.assert_allclose(scores, attributor.scores(windows, label, integral(steps)), rtol=1e-3, atol=1e-5)


def test_special_tokens_are_those_that_stand_for_no_text(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    names = [tokenizer.id_to_token(number) for number in special_ids(tokenizer, tokenizer.token_to_id("[UNK]"))]
    assert names == ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
