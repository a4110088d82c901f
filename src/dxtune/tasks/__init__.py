"""What differs between the tasks: one module each, which `find_task` gives by the name in params.yaml.

They have the same functions, and the stages call no others:

    build        a fresh model from a base model's folder
    fit_head     where to start from, and what is learnt from the base model and saved
    collate      rows of data/tokens as a batch
    scorer       what validation says after an epoch; the first figure is the one that counts
    fit          what is learnt on validation and saved with the model, such as thresholds
    predict      one row a note: the columns that records.predictions names
    losses       one row a note: how far the model is from what training wanted it to say
    answers      the same for a person who asks `Predictor.predict`
    save, load   the model, one folder

How texts become token ids, which needs no torch, is a module of its own: `find_encoder`. So is what is measured, for which no
model is trained again: `find_measures` gives one with

    measure      the content of metrics/evaluate.json and of metrics/plots
    mistakes     how wrong each note's answer is, 0 to 1
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

MODULES = {
    "classification": "classification",
    "multilabel": "multilabel",
    "question-answering": "question_answering",
    "generation": "generation",
}
ENCODERS = {"classification": "notes", "multilabel": "notes", "question-answering": "spans", "generation": "prompts"}


def find_task(name: str) -> ModuleType:
    """The module of a task. Loads torch."""
    return import_module(f"dxtune.tasks.{MODULES[name]}")


def find_encoder(name: str) -> Callable[..., Any]:
    """The function of a task for map_shards, from texts to token ids: `encode` of dxtune.tasks.notes, spans or prompts."""
    return import_module(f"dxtune.tasks.{ENCODERS[name]}").encode  # type: ignore[no-any-return]


def find_measures(name: str) -> ModuleType:
    """The module of a task with `measure` and `mistakes`, in dxtune.tasks.measures."""
    return import_module(f"dxtune.tasks.measures.{MODULES[name]}")
