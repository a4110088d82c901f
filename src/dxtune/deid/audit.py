"""What de-identification did: counts, and recall where gold spans are known. No text, no offsets."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from dxtune import records
from dxtune.deid import lexicon, scorer
from dxtune.deid.deidentifier import Deidentified, Deidentifier
from dxtune.deid.engine import RULES
from dxtune.deid.evaluation import GoldNote, score
from dxtune.deid.spans import PLACEHOLDER, Span

STRUCTURED = frozenset(
    {"PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "ID"}
)
Gold = Sequence[Mapping[str, Any]]


def count(texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> dict[str, int | float]:
    """How many spans of each type are masked (`spans_NAME`, ...), and the share of characters inside them.

    >>> count(["Ada came"], [[Span(0, 3, "NAME")]])
    {'spans_NAME': 1, 'masked_character_share': 0.375}
    """
    kinds = Counter(span.type for some in spans for span in some)
    masked = sum(span.end - span.start for some in spans for span in some)
    total = sum(map(len, texts))
    return {
        **{f"spans_{kind}": kinds[kind] for kind in sorted(kinds)},
        "masked_character_share": round(masked / max(total, 1), 6),
    }


def recall(texts: Sequence[str], spans: Sequence[Sequence[Span]], gold: Sequence[Gold | None]) -> dict[str, Any]:
    """How much of the known identifiers is masked; an empty dict where none are known.

    `any_recall`: the share of gold spans that a span touches; `full_recall`: whose every letter and digit is covered, also by
    type; `non_phi_lost`: the share of other characters (no white space) that are covered.

    >>> recall(["Ada B came"], [[Span(0, 3, "NAME")]], [[{"start": 0, "end": 5, "type": "NAME"}]])["full_recall"]
    0.0
    """
    notes = [
        GoldNote(str(row), text, tuple(Span(item["start"], item["end"], item["type"]) for item in known or ()))
        for row, (text, known) in enumerate(zip(texts, gold, strict=True))
    ]
    scores = score(notes, spans)
    if not scores.spans:
        return {}
    return {
        "gold_spans": scores.spans,
        "any_recall": round(scores.any, 6),
        "full_recall": round(scores.full, 6),
        "full_recall_by_type": {kind: round(each.full, 6) for kind, each in scores.by_type.items()},
        "non_phi_lost": round(scores.non_phi_lost, 6),
    }


def leaks(
    names: Iterable[str], texts: Sequence[str], done: Deidentified, known: Sequence[str] | None, engine: Deidentifier
) -> list[tuple[str, list[str]]]:
    """The notes in which an identifier is left, each by name and types: the second look of 164.514(b)(2)(ii).

    With placeholders: whatever the engine finds in the output. With surrogates: a structured value that it found before. In
    both: a whole value of an identifier column, as it is written there, outside placeholders.
    """
    if engine.style == "placeholder":
        again = engine.spans_of(done.texts)
        left = [{span.type for span in spans} for spans in again]
    else:
        left = [
            {kind for start, end, kind in spans if kind in STRUCTURED and text[start:end] in clean}
            for text, clean, spans in zip(texts, done.texts, done.spans, strict=True)
        ]
    for kinds, clean, values in zip(left, done.texts, known or [""] * len(texts), strict=True):
        rest = PLACEHOLDER.sub(" ", clean)
        kinds |= {
            "KNOWN" for value in values.split("\n") if len(value) > 3 and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", rest)
        }
    return [(name, sorted(kinds)) for name, kinds in zip(names, left, strict=True) if kinds]


def versions() -> dict[str, str]:
    """What the engine was made of: the first digits of the checksums of its lexicon and its scorer."""
    return {"lexicon": lexicon.version(), "scorer": scorer.version()}


def table(names: Iterable[str], texts: Sequence[str], done: Deidentified, engine: Deidentifier) -> pl.DataFrame:
    """The audit table, records.AUDIT: where, what kind, why, how sure, and a keyed hash of what stood there. No text.

    confidence: 1 where a pattern or a structured column says so, else the logistic of the scorer's margin.
    """
    rows = [
        (name, start, end, kind, RULES[rule], _confidence(rule, margin), engine.digest(kind, text[start:end].lower()))
        for name, text, spans, reasons in zip(names, texts, done.spans, done.reasons, strict=True)
        for (start, end, kind), (rule, margin) in zip(spans, reasons, strict=True)
    ]
    return pl.DataFrame(rows, schema=records.AUDIT, orient="row")


def _confidence(rule: int, margin: int) -> float:
    if RULES[rule] in ("grammar", "known"):
        return 1.0
    return round(1 / (1 + math.exp(-max(min(margin, 3000), -3000) / 100)), 4)
