"""model_card.md and data_card.md: Markdown filled from the metrics, with metadata that the Hugging Face Hub reads."""

from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from dxtune.params import Params
from dxtune.reporting import facts as views
from dxtune.reporting.facts import Facts
from dxtune.reporting.report import environment

RESULTS = ("accuracy", "macro_f1", "macro_auroc", "macro_auprc", "brier", "ece", *views.GENERATION)


def render_model_card(facts: Facts, params: Params) -> str:
    """The model card (Mitchell et al. 2019, arXiv:1810.03993): YAML metadata, then Markdown."""
    test = facts["evaluate"].get("test", {})
    data = ModelCardData(
        model_name=params.report.title,
        language="en",
        library_name="transformers",
        pipeline_tag="text-classification",
        base_model=params.model.name if params.model.revision else None,
        tags=["clinical-nlp", "diagnosis", "de-identified", "dxtune"],
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=f"dxtune-{params.collect.source}",
                dataset_name=f"{params.collect.source} clinical notes, de-identified",
                dataset_split="test",
                metric_type=name,
                metric_value=test[name],
            )
            for name in RESULTS
            if name in test
        ]
        or None,
    )
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_render('model_card.md', facts, params)}")
    return str(card)


def render_data_card(facts: Facts, params: Params) -> str:
    """The data card, with the questions of Datasheets for Datasets (Gebru et al. 2021, arXiv:1803.09010)."""
    return _render("data_card.md", facts, params)


def cell(value: Any) -> str:
    """A value that stays within its cell of a Markdown table.

    >>> cell("a|b\\nc")
    'a/b c'
    """
    return " ".join(str(value).replace("|", "/").replace("`", "'").split())


def _render(template: str, facts: Facts, params: Params) -> str:
    made = environment()
    made.filters["cell"] = cell
    return made.get_template(template).render(
        facts=facts.stages,
        report=params.report,
        model=params.model,
        source=params.collect.source,
        names=views.NAMES,
        results=RESULTS,
        classes=views.class_rows(facts["evaluate"]),
        subgroups=views.subgroup_rows(facts["evaluate"]),
        flow=views.flow(facts),
        splits=views.split_rows(facts["preprocess"]),
        labels=views.label_rows(facts["preprocess"]),
        participants=views.participant_rows(facts),
        identifiers=views.deidentification_rows(facts["deidentify"]),
    )
