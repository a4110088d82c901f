"""What the section `Why` of the report shows: weighed notes, influential words, and cohorts for which the model is wrong."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

FAINT = 0.05
"""Words of less than this part of the note's strongest one have no background."""
STEPS = 10
"""Strengths of a background."""
NAMED = 5
"""Words for and against a label that are also said, with their scores."""
NOTES = 8
"""Notes that are shown."""
CLOSING = re.compile(r"[.,;:!?%)\]}'’]+")
OPENING = ("(", "[", "{", "$", "'")
FIGURES = {
    "completeness_error": (
        "Error of sharing out",
        "of the logit that a note's words share, what their scores leave over: near 0",
    ),
    "comprehensiveness_difference": (
        "Without the named words",
        "the label gets so much less likely than without random ones: above 0",
    ),
    "sufficiency_difference": (
        "With the named words alone",
        "the label gets so much less likely than with random ones: below 0",
    ),
    "random_model_correlation": ("A model of random weights", "how alike its attributions are, by rank, -1 to 1: near 0"),
}
"""Of metrics/explain.json, what the section says, and what it should be."""


def read_attributions(file: Path) -> list[dict[str, Any]]:
    """The first weighed notes whose words may be shown: label, probability, `words` and what is `said` of the strongest.

    A word has its `text`, whether a `space` stands before it, and its `side` (for, against) and `strength`, 1 to 10, if any.
    """
    if not file.is_file():
        return []
    shown = pl.read_parquet(file).filter(pl.col("words").is_not_null()).head(NOTES)
    return [_note(row) for row in shown.iter_rows(named=True)]


def figures(explain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures of attributions that were measured: name, what they mean, value and the ends of the interval."""
    return [
        {
            "name": name,
            "about": about,
            "value": explain[key],
            "low": explain.get(f"{key}_low"),
            "high": explain.get(f"{key}_high"),
        }
        for key, (name, about) in FIGURES.items()
        if key in explain
    ]


def words_by_label(table: pl.DataFrame | None) -> dict[str, list[str]]:
    """The influential words of each label, strongest first."""
    if table is None:
        return {}
    return {str(label): rows["word"].to_list() for (label,), rows in table.group_by("label", maintain_order=True)}


def cohort_rows(table: pl.DataFrame | None) -> list[dict[str, Any]]:
    """The cohorts with their errors, the one first that validation says is the worst."""
    return [] if table is None else table.to_dicts()


def _note(row: Mapping[str, Any]) -> dict[str, Any]:
    pairs = list(zip(row["words"], row["scores"], strict=True))
    strongest = max((abs(score) for _, score in pairs), default=0.0)
    words, before = [], ""
    for text, score in pairs:
        part = abs(score) / strongest if strongest else 0.0
        space = bool(before) and not CLOSING.fullmatch(text) and before not in OPENING
        side = "" if part < FAINT else "for" if score > 0 else "against"
        words.append({"text": text, "space": space, "side": side, "strength": max(1, round(STEPS * part))})
        before = text
    named = [pair for pair in pairs if any(map(str.isalnum, pair[0]))]
    said = {
        "for": sorted((pair for pair in named if pair[1] > 0), key=lambda pair: -pair[1])[:NAMED],
        "against": sorted((pair for pair in named if pair[1] < 0), key=lambda pair: pair[1])[:NAMED],
    }
    return {"label": row["label"], "probability": row["probability"], "words": words, "said": said}
