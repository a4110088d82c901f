"""The cards: metadata that the Hub reads, tables that no label can break, the same bytes each time."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from dxtune.params import Params, load_params
from dxtune.reporting.cards import render_data_card, render_model_card
from dxtune.reporting.facts import read_facts


@pytest.fixture
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


def test_metadata_of_the_model_card(metrics: Path, params: Params) -> None:
    card = ModelCard(render_model_card(read_facts(metrics), params))
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results["accuracy"] == 0.871111
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.get("base_model") is None  # a package is not a model of the Hub
    assert "Not a medical device" in card.text


def test_the_hub_reads_the_metadata_and_writes_the_same_card_again(metrics: Path, params: Params) -> None:
    """What the Hub's own check asks for besides needs a network: `ModelCard.validate` sends the card there."""
    text = render_model_card(read_facts(metrics), params)
    card = ModelCard(text)  # raises where the metadata or the results do not parse
    assert str(card) == text
    data = card.data.to_dict()
    assert set(data) == {"language", "library_name", "pipeline_tag", "tags", "model-index"}
    (index,) = data["model-index"]
    assert index["name"] == params.report.title and len(index["results"]) == 1
    assert all(isinstance(each["value"], float) for each in index["results"][0]["metrics"])


def test_the_model_card_says_whether_the_model_is_released_and_why_not(metrics: Path, params: Params) -> None:
    text = render_model_card(read_facts(metrics), params)
    assert (
        "**Not released.**" in text and "\n- ece_high is 0.059, wanted is at most 0.05\n" in text and "- macro_f1" not in text
    )
    evaluate = json.loads((metrics / "evaluate.json").read_text())
    for release, says in (({"released": 1, "gates": {"ece_high": {"passed": 1}}}, "**Released**"), ({"released": 1}, "")):
        (metrics / "evaluate.json").write_text(json.dumps(evaluate | {"release": release}), encoding="utf-8")
        text = render_model_card(read_facts(metrics), params)
        assert says in text and "Not released" not in text and ("released" in text.lower()) == bool(says)


def test_a_pinned_hub_model_is_named_as_base(metrics: Path, params: Params) -> None:
    model = params.model.model_copy(update={"name": "emilyalsentzer/Bio_ClinicalBERT", "revision": "a" * 40})
    card = ModelCard(render_model_card(read_facts(metrics), params.model_copy(update={"model": model})))
    assert card.data.base_model == "emilyalsentzer/Bio_ClinicalBERT"


def test_the_model_card_says_what_becomes_of_notes_that_are_written_otherwise(metrics: Path, params: Params) -> None:
    text = render_model_card(read_facts(metrics), params)
    assert "| Macro F1 lost on the same notes: With typing errors | 0.021 | -0.003 to 0.046 |" in text
    (metrics / "probe.json").write_text("{}", encoding="utf-8")
    assert "written otherwise" not in render_model_card(read_facts(metrics), params)


@pytest.mark.parametrize("render", [render_model_card, render_data_card])
def test_tables_hold(metrics: Path, params: Params, render: object) -> None:
    text = render(read_facts(metrics), params)
    assert "<script>" not in text
    assert "Urinary / tract infection" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 4
    for table in tables:
        assert len({row.count("|") for row in table}) == 1, table[0]
    assert render(read_facts(metrics), params) == text


def test_the_data_card_has_the_headings_of_a_datasheet(metrics: Path, params: Params) -> None:
    text = render_data_card(read_facts(metrics), params)
    for heading in ("Motivation", "Composition", "Collection process", "Preprocessing", "Uses", "Distribution", "Maintenance"):
        assert f"\n## {heading}" in text
    assert "Harbour" not in render_model_card(read_facts(metrics), params)  # a site of under ten patients


def test_the_data_card_shows_participants_and_hides_small_cells(metrics: Path, params: Params) -> None:
    assert "| site | Nord / Süd | 41 (5.6) | &lt;10 | 12 (7.6) |" in render_data_card(read_facts(metrics), params)
    (metrics / "plots/participants.csv").unlink()
    assert "Participants" not in render_data_card(read_facts(metrics), params)


def test_the_data_card_says_where_the_notes_came_from(metrics: Path, params: Params) -> None:
    told = {
        "licence": "cc-by-4.0",
        "files": 2,
        "sha256_1": "ab" * 32,
        "sha256_2": "cd" * 32,
        "first_year": 2150,
        "last_year": 2177,
    }
    (metrics / "collect.json").write_text(json.dumps(told | {"years_shifted": "yes"}), encoding="utf-8")
    text = render_data_card(read_facts(metrics), params)
    assert f"| Source | {params.collect.source} |" in text and "| Licence | cc-by-4.0 |" in text
    assert f"| SHA-256 2 | {'cd' * 32} |" in text and "| Years | 2150 to 2177, shifted |" in text


def test_the_data_card_shows_labels_of_few_patients_without_their_number(metrics: Path, params: Params) -> None:
    prepared = json.loads((metrics / "preprocess.json").read_text()) | {
        "labels": {"gout": {"train": 1200, "validation": "<10"}}
    }
    (metrics / "preprocess.json").write_text(json.dumps(prepared), encoding="utf-8")
    assert "| gout | 1\u202f200 | &lt;10 |" in render_data_card(read_facts(metrics), params)


def test_cards_of_no_more_than_braces_render(metrics: Path, params: Params) -> None:
    for file in metrics.glob("*.json"):
        file.write_text("{}", encoding="utf-8")
    facts = read_facts(metrics)
    assert ModelCard(render_model_card(facts, params)).data.eval_results is None
    assert "None" not in render_data_card(facts, params)
