"""Spans of protected health information, and the placeholders that take their place."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from dxtune.records import PLACEHOLDER

TYPES = (
    "NAME", "LOCATION", "FACILITY", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE",
    "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "PHOTO", "ID",
)  # fmt: skip
_YEAR = re.compile(r"(?<![0-9])(19[4-9][0-9]|20[0-9][0-9])(?![0-9])")


class Span(NamedTuple):
    """Characters `start` to `end` of a note, and the kind of identifier that they are."""

    start: int
    end: int
    type: str


Triple = tuple[int, int, str]
"""A Span, or a plain tuple of the same: where there are millions of them."""


def placeholders(text: str) -> list[Span]:
    """The placeholders in a text, in order.

    >>> placeholders("[NAME] of [THIS] on [DATE-2019]")
    [Span(start=0, end=6, type='NAME'), Span(start=20, end=31, type='DATE')]
    """
    if "[" not in text:
        return []
    return [
        Span(match.start(), match.end(), match[1])
        for match in PLACEHOLDER.finditer(text)
        if match[1] in _TYPES and (match.end() - match.end(1) == 1 or match[1] in ("DATE", "AGE"))
    ]


_TYPES = frozenset(TYPES)


def merge(spans: Iterable[Span], text: str) -> list[Span]:
    """The spans in order, none overlapping: of two that overlap the union, of the type that came first in `spans`.

    Characters of placeholders are left out, and so are spans without a letter or digit.

    >>> merge([Span(4, 9, "NAME"), Span(0, 5, "DATE")], "3/4 Adams")
    [Span(start=0, end=9, type='NAME')]
    >>> merge([Span(0, 11, "NAME")], "Al [DATE] B")
    [Span(start=0, end=2, type='NAME'), Span(start=10, end=11, type='NAME')]
    """
    ranked = sorted((span.start, rank, span) for rank, span in enumerate(spans))
    merged: list[tuple[int, int, int, str]] = []
    for start, rank, span in ranked:
        if merged and start < merged[-1][1]:
            _, end, best, kind = merged[-1]
            merged[-1] = (merged[-1][0], max(end, span.end), min(best, rank), kind if best < rank else span.type)
        else:
            merged.append((start, span.end, rank, span.type))
    walls = [(start, end) for start, end, _ in placeholders(text)]
    return [piece for start, end, _, kind in merged for piece in _outside(Span(start, end, kind), walls, text)]


def _outside(span: Span, walls: list[tuple[int, int]], text: str) -> list[Span]:
    """The parts of a span that are outside all walls, trimmed to letters and digits at both ends."""
    start, _, kind = span
    pieces = []
    for wall, after in [*((w, a) for w, a in walls if w < span.end and a > span.start), (span.end, span.end)]:
        left, right = start, wall
        while left < right and not text[left].isalnum():
            left += 1
        while right > left and not text[right - 1].isalnum():
            right -= 1
        if left < right:
            pieces.append(Span(left, right, kind))
        start = max(start, after)
    return pieces


def placeholder(span: Span, text: str) -> str:
    """What stands for a span: its type; a date keeps its year, an age over 89 is said to be that (164.514(b)(2)(i)(C)).

    >>> placeholder(Span(0, 10, "DATE"), "2019-03-04"), placeholder(Span(0, 3, "NAME"), "Ada")
    ('[DATE-2019]', '[NAME]')
    """
    if span.type == "AGE":
        return "[AGE-90+]"
    if span.type == "DATE" and (year := _YEAR.search(text, span.start, span.end)):
        return f"[DATE-{year[1]}]"
    return f"[{span.type}]"


def replace(text: str, spans: Iterable[Triple]) -> str:
    """The text with a placeholder in place of each span.

    >>> replace("Seen 2019-03-04.", [Span(5, 15, "DATE")])
    'Seen [DATE-2019].'
    """
    spans = list(spans)
    if not spans:
        return text
    starts, ends, kinds = zip(*spans, strict=True)
    parts = [""] * (2 * len(spans) + 1)
    parts[::2] = [text[a:b] for a, b in zip((0, *ends), (*starts, len(text)), strict=True)]
    plain = map(_PLAIN.get, kinds)
    parts[1::2] = [known or placeholder(Span(*span), text) for known, span in zip(plain, spans, strict=True)]
    return "".join(parts)


_PLAIN = {kind: f"[{kind}]" for kind in TYPES if kind not in ("AGE", "DATE")}
"""The placeholders that do not depend on the value."""
