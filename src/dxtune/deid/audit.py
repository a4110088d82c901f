"""What de-identification did: counts, and recall where gold spans are known. No text, no offsets."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from dxtune import records
from dxtune.deid import lexicon, scorer
from dxtune.deid.deidentifier import Deidentified, Deidentifier
from dxtune.deid.engine import RULES
from dxtune.deid.spans import Span

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
    total, full = Counter[str](), Counter[str]()
    touched = lost = outside = 0
    for text, found, known in zip(texts, spans, gold, strict=True):
        covered, excused = bytearray(len(text)), bytearray(len(text))
        for span in found:
            covered[span.start : span.end] = b"\1" * (span.end - span.start)
        for item in known or ():
            start, end, kind = item["start"], item["end"], item["type"]
            excused[start:end] = b"\1" * (end - start)
            total[kind] += 1
            touched += any(covered[start:end])
            full[kind] += all(covered[at] for at in range(start, end) if text[at].isalnum())
        for at, character in enumerate(text):
            if not excused[at] and not character.isspace():
                outside += 1
                lost += covered[at]
    number = total.total()
    if not number:
        return {}
    return {
        "gold_spans": number,
        "any_recall": round(touched / number, 6),
        "full_recall": round(full.total() / number, 6),
        "full_recall_by_type": {kind: round(full[kind] / total[kind], 6) for kind in sorted(total)},
        "non_phi_lost": round(lost / max(outside, 1), 6),
    }


def leaks(
    names: Iterable[str], texts: Sequence[str], done: Deidentified, known: Sequence[str] | None, engine: Deidentifier
) -> list[tuple[str, list[str]]]:
    """The notes in which an identifier is left, each by name and types: the second look of 164.514(b)(2)(ii).

    With placeholders: whatever the engine finds in the output. With surrogates: a structured value that it found before. In
    both: a
    whole value of an identifier column.
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
        low = clean.lower()
        kinds |= {"KNOWN" for value in values.lower().split("\n") if len(value) > 3 and value in low}
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
        for name, text, spans, rules, margins in zip(names, texts, done.spans, done.rules, done.margins, strict=True)
        for (start, end, kind), rule, margin in zip(spans, rules, margins, strict=True)
    ]
    return pl.DataFrame(rows, schema=records.AUDIT, orient="row")


def _confidence(rule: int, margin: int) -> float:
    if RULES[rule] in ("grammar", "known"):
        return 1.0
    return round(1 / (1 + math.exp(-max(min(margin, 3000), -3000) / 100)), 4)
