"""model_card.md and data_card.md: Markdown filled from the metrics, with metadata that the Hugging Face Hub reads."""

from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from dxtune.params import Params
from dxtune.reporting import facts as views
from dxtune.reporting.facts import Facts
from dxtune.reporting.report import environment

WHAT = {
    "classification": "names a diagnosis for a de-identified clinical note",
    "multilabel": "gives a de-identified clinical note any number of labels",
    "question-answering": "finds the answer to a question in a de-identified clinical note",
    "generation": "answers a prompt about clinical text",
}
TASKS = {"question-answering": "question-answering", "generation": "text-generation"}
"""What the Hub calls a task, where that is not text-classification."""


def render_model_card(facts: Facts, params: Params) -> str:
    """The model card (Mitchell et al. 2019, arXiv:1810.03993): YAML metadata, then Markdown."""
    test, task = facts["evaluate"].get("test", {}), TASKS.get(params.task, "text-classification")
    data = ModelCardData(
        model_name=params.report.title,
        language="en",
        library_name="transformers",
        pipeline_tag=task,
        base_model=params.model.name if params.model.revision else None,
        tags=["clinical-nlp", "diagnosis", "de-identified", "dxtune"],
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type=f"dxtune-{params.collect.source}",
                dataset_name=f"{params.collect.source} clinical notes, de-identified",
                dataset_split="test",
                metric_type=name,
                metric_value=test[name],
            )
            for name in results(facts)
        ]
        or None,
    )
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_render('model_card.md', facts, params)}")
    return str(card)


def render_data_card(facts: Facts, params: Params) -> str:
    """The data card, with the questions of Datasheets for Datasets (Gebru et al. 2021, arXiv:1803.09010)."""
    return _render("data_card.md", facts, params)


def results(facts: Facts) -> list[str]:
    """The names of the figures of the test split that a card shows, the headline first."""
    evaluate = facts["evaluate"]
    return [name for name in (*views.headline(evaluate), *views.tiles(evaluate)) if name in evaluate.get("test", {})]


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
        results=results(facts),
        task=params.task,
        what=WHAT[params.task],
        headline=(shown := views.headline(facts["evaluate"])),
        rival=views.rival(shown[0], "TF-IDF"),
        linear=views.rival(shown[0], "TF-IDF with logistic regression"),
        classes=views.class_rows(facts["evaluate"]),
        subgroups=views.subgroup_rows(facts["evaluate"]),
        flow=views.flow(facts),
        origin=views.source_rows(facts["collect"], params.collect.source),
        splits=views.split_rows(facts["preprocess"]),
        labels=views.label_rows(facts["preprocess"]),
        participants=views.participant_rows(facts),
        probed=views.probe_rows(facts["probe"]),
        identifiers=views.deidentification_rows(facts["deidentify"]),
    )
