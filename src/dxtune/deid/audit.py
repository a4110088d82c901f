"""What de-identification did: counts, and recall where gold spans are known. No text, no offsets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dxtune.deid.spans import Span
from dxtune.deid.structured import residual

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


def leaks(names: Iterable[str], texts: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The notes in which a structured identifier is left, each by name and types."""
    found = ((name, sorted({span.type for span in residual(text)})) for name, text in zip(names, texts, strict=True))
    return [(name, kinds) for name, kinds in found if kinds]
