"""Finds identifiers that have a form or a label: google-re2, so the time is linear in the text, whatever the text.

One long alternation finds candidates in a single pass without groups, which is fast; the patterns of each kind then say
of the few candidates what they are. 45 CFR 164.514(b)(2)(i)(B)-(R).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import re2

from dxtune.deid.measurements import is_measurement
from dxtune.deid.patterns import CASED, PATTERNS
from dxtune.deid.spans import PLACEHOLDER, Span, merge


class _Group:
    """Patterns that share their case: one alternation to find candidates, then each kind's own to tell them apart."""

    def __init__(self, patterns: Mapping[str, tuple[str, ...]], *, ignore_case: bool) -> None:
        options = re2.Options()
        options.case_sensitive = not ignore_case
        options.max_mem = 256 << 20
        compiled = [(kind, re2.compile(one, options)) for kind, several in patterns.items() for one in several]
        self.kinds: list[tuple[str, Any, int]] = [(kind, pattern, pattern.groupindex.get("v", 0)) for kind, pattern in compiled]
        self.set: Any = re2.Set.FullMatchSet(options)
        for several in patterns.values():
            for one in several:
                self.set.Add(one)
        self.set.Compile()
        union = "|".join(one.replace("(?P<v>", "(?:") for several in patterns.values() for one in several)
        self.union: Any = re2.compile(union, options)

    def find(self, text: str, begin: int = 0, stop: int | None = None) -> Iterator[Span]:
        """Each candidate in text[begin:stop] that nothing speaks against, with its kind."""
        window = text[begin:stop]
        for match in self.union.finditer(window):
            start, end = match.start() + begin, match.end() + begin
            fitting = self.set.Match(text[start:end])
            if not fitting:  # a candidate that fits only beside its neighbours: masked all the same
                yield Span(start, end, "ID")
                continue
            kind, pattern, group = self.kinds[min(fitting)]
            if group:
                told = pattern.fullmatch(text[start:end])
                start, end = start + told.start(group), start + told.end(group)
            if not is_measurement(kind, text, start, end):
                yield Span(start, end, kind)
            elif group and stop is None:  # what a label led to may still be a date: one more look, at little text
                yield from self.find(text, start, end + 16)


_ANY_CASE = _Group(PATTERNS, ignore_case=True)
_CASED = _Group(CASED, ignore_case=False)


def find(text: str) -> list[Span]:
    """The structured identifiers in a text, best evidence first; they may overlap.

    >>> find("MRN: 0042-17, seen 3/4, BP 120/80, strength 5/5")
    [Span(start=5, end=12, type='MRN'), Span(start=19, end=22, type='DATE')]
    """
    return [*_ANY_CASE.find(text), *_CASED.find(text)]


def placeholders(text: str) -> list[Span]:
    """The placeholders in a de-identified text."""
    return [Span(*match.span(), "PLACEHOLDER") for match in PLACEHOLDER.finditer(text)] if "[" in text else []


def residual(text: str) -> list[Span]:
    """The structured identifiers that are left in a de-identified text, outside placeholders."""
    return merge(find(text), text)
