"""What de-identification did: counts, and recall where gold spans are known. No text, no offsets."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import polars as pl

from dxtune import records
from dxtune.deid import lexicon, scorer
from dxtune.deid.deidentifier import Deidentified, Deidentifier
from dxtune.deid.engine import RULES
from dxtune.deid.evaluation import GoldNote, score
from dxtune.deid.spans import Span

STRUCTURED = frozenset(
    {"PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "ID"}
)
Gold = Sequence[Mapping[str, Any]]


def tally(texts: Sequence[str], spans: Sequence[Sequence[Span]], gold: Sequence[Gold | None] | None) -> dict[str, int]:
    """What `summary` needs to know of some notes, as counts that add up over all parts of a corpus.

    >>> tally(["Ada came"], [[Span(0, 3, "NAME")]], None)
    {'notes': 1, 'characters': 8, 'masked_characters': 3, 'spans_NAME': 1}
    """
    kinds = Counter(span.type for some in spans for span in some)
    counts = {
        "notes": len(texts),
        "characters": sum(map(len, texts)),
        "masked_characters": sum(span.end - span.start for some in spans for span in some),
        **{f"spans_{kind}": kinds[kind] for kind in sorted(kinds)},
    }
    if gold is None:
        return counts
    notes = [
        GoldNote(str(row), text, tuple(Span(item["start"], item["end"], item["type"]) for item in known or ()))
        for row, (text, known) in enumerate(zip(texts, gold, strict=True))
    ]
    scores = score(notes, spans)
    outside = sum(_visible_outside(note) for note in notes)
    counts |= {"outside": outside, "lost": round(scores.non_phi_lost * outside)}
    counts |= {"any": round(scores.any * scores.spans) if scores.spans else 0}
    for kind, each in scores.by_type.items():
        counts |= {f"gold_{kind}": each.n, f"full_{kind}": round(each.full * each.n)}
    return counts


def _visible_outside(note: GoldNote) -> int:
    """How many characters of a note are neither white space nor inside a gold span."""
    done, outside = 0, 0
    for start, end, _ in (*sorted(note.gold), Span(len(note.text), len(note.text), "")):
        outside += sum(map(len, note.text[done:start].split()))
        done = max(done, end)
    return outside


def summary(counts: Mapping[str, int]) -> dict[str, Any]:
    """The metrics of a corpus from its `tally`: notes, spans by type, the share of characters inside them; where gold spans
    are known, how much of them is masked.

    `any_recall`: the share of gold spans that a span touches; `full_recall`: whose every letter and digit is covered, also by
    type; `non_phi_lost`: the share of other characters (no white space) that are covered.

    >>> gold = [{"start": 0, "end": 5, "type": "NAME"}]
    >>> summary(tally(["Ada B came"], [[Span(0, 3, "NAME")]], [gold]))["full_recall"]
    0.0
    """
    kinds = [name.removeprefix("gold_") for name in sorted(counts) if name.startswith("gold_") and counts[name]]
    gold = sum(counts[f"gold_{kind}"] for kind in kinds)
    metrics: dict[str, Any] = {"notes": counts["notes"]}
    metrics |= {name: counts[name] for name in sorted(counts) if name.startswith("spans_") and counts[name]}
    metrics |= {"masked_character_share": round(counts["masked_characters"] / max(counts["characters"], 1), 6)}
    if not gold:
        return metrics
    return metrics | {
        "gold_spans": gold,
        "any_recall": round(counts["any"] / gold, 6),
        "full_recall": round(sum(counts[f"full_{kind}"] for kind in kinds) / gold, 6),
        "full_recall_by_type": {kind: round(counts[f"full_{kind}"] / counts[f"gold_{kind}"], 6) for kind in kinds},
        "non_phi_lost": round(counts["lost"] / max(counts["outside"], 1), 6),
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
        left = [structured_left(*row) for row in zip(texts, done.spans, done.texts, strict=True)]
    for kinds, clean, values in zip(left, done.texts, known or [""] * len(texts), strict=True):
        rest = records.PLACEHOLDER.sub(" ", clean)
        kinds |= {
            "KNOWN" for value in values.split("\n") if len(value) > 3 and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", rest)
        }
    return [(name, sorted(kinds)) for name, kinds in zip(names, left, strict=True) if kinds]


def structured_left(text: str, spans: Sequence[Span], clean: str) -> set[str]:
    """The types of the structured values of a note that stand in its clean text all the same; two digits stand anywhere."""
    return {kind for start, end, kind in spans if kind in STRUCTURED and end - start > 3 and text[start:end] in clean}


def versions() -> dict[str, str]:
    """What the engine was made of: the first digits of the checksums of its lexicon and its scorer."""
    return {"lexicon": lexicon.version(), "scorer": scorer.version()}


def table(names: Iterable[str], texts: Sequence[str], done: Deidentified, engine: Deidentifier) -> pl.DataFrame:
    """The audit table, records.AUDIT: where, what kind, why, how sure, and a keyed hash of what stood there. No text.

    confidence: 1 where a pattern or a structured column says so, else the logistic of the scorer's margin.
    """
    spans = [span for some in done.spans for span in some]
    why = [reason for some in done.reasons for reason in some]
    values = (text[span.start : span.end].lower() for text, some in zip(texts, done.spans, strict=True) for span in some)
    digest = cache(engine.digest)  # a patient's name comes again and again
    columns = {
        "note_id": [name for name, some in zip(names, done.spans, strict=True) for _ in some],
        "start": [span.start for span in spans],
        "end": [span.end for span in spans],
        "type": [span.type for span in spans],
        "rule": [RULES[rule] for rule, _ in why],
        "confidence": [_confidence(*each) for each in why],
        "value": [digest(span.type, value) for span, value in zip(spans, values, strict=True)],
    }
    return pl.DataFrame(columns, schema=records.AUDIT)


@cache
def _confidence(rule: int, margin: int) -> float:
    if RULES[rule] in ("grammar", "known"):
        return 1.0
    return round(1 / (1 + math.exp(-max(min(margin, 3000), -3000) / 100)), 4)
