"""The second opinion: a real (tiny) token classifier only adds, and only where the engine was in doubt."""

from pathlib import Path

import pytest

from dxtune.deid import Span
from dxtune.deid.vote import add_votes, load_voter
from dxtune.errors import ModelError


@pytest.fixture
def classifier(tiny_model: Path, tmp_path: Path) -> Path:
    """A token classifier that calls every word a person."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    names = {0: "O", 1: "B-PER"}
    model = AutoModelForTokenClassification.from_pretrained(
        tiny_model, id2label=names, label2id={name: number for number, name in names.items()}
    )
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 10.0]))
    model.save_pretrained(tmp_path / "ner")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "ner")
    return tmp_path / "ner"


def test_it_adds_in_doubtful_sentences_and_removes_nothing(classifier: Path) -> None:
    voter = load_voter("transformers", str(classifier), None, classifier)
    text = "Fever since days.\nPain is better."
    first = [[Span(0, 5, "DATE")]]
    found = add_votes([text], first, [[(18, 22)]], voter)[0]
    assert found[0] == Span(0, 5, "DATE")
    assert {text[span.start : span.end] for span in found[1:]} and all(span.start >= 18 for span in found[1:])
    assert add_votes([text], first, [[]], voter) == first


def test_what_is_missing_or_not_pinned_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_voter("transformers", "some/model", None, tmp_path)
    with pytest.raises(ModelError):
        load_voter("spacy", "no_such_package", None, tmp_path)
