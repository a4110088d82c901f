"""A note as text, with its PHI at known offsets: findings put into words, words into a layout, filler around them.

Nothing here knows the diagnosis. The text depends on it through the states of the findings only, which is what makes the
posterior of `synthetic_knowledge` exact: layout, wording, order, length, spelling and PHI are drawn independently.
"""

import random
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TypedDict

from dxtune.errors import DataError
from dxtune.sources.synthetic_identity import Piece, Visit, identify
from dxtune.sources.synthetic_knowledge import AFFIRMED, KINDS, NUMBER, Finding, Kind, Knowledge, Layout

SLOT = re.compile(r"\{([A-Za-z_]+)\}")
LONG_WORD = re.compile(r"\b[a-z]{6,}\b")
WORD = re.compile(r"[A-Za-z-]+")
FILLER = "filler"  # the type of a piece that marks a place for filler
LOWERED = ("", "NAME", "LOCATION", "FACILITY", "DATE")  # what a site that writes in lower case lowers
ATTEMPTS = 100


class Span(TypedDict):
    """Where a PHI value stands: characters [start, end) of the text."""

    start: int
    end: int
    type: str


def write_note(knowledge: Knowledge, visit: Visit, states: Mapping[str, int], rng: random.Random) -> tuple[str, list[Span]]:
    """The text of a note and its gold spans, in order.

    A text that is too long or too short is written again from the same states, never with fewer of them.
    """
    least, most = knowledge.characters
    for _ in range(ATTEMPTS):
        text, spans = join(_compose(knowledge, visit, states, rng))
        if least <= len(text) <= most:
            return text, spans
    raise DataError(
        f"no note of {least} to {most} characters in {ATTEMPTS} attempts: widen `characters` in the knowledge table"
    )


def join(pieces: list[Piece]) -> tuple[str, list[Span]]:
    """The text of the pieces, and a span for each piece that is PHI.

    >>> join([Piece("Seen by "), Piece("R. Diaz", "NAME"), Piece(".")])
    ('Seen by R. Diaz.', [{'start': 8, 'end': 15, 'type': 'NAME'}])
    """
    ends = list(accumulate(len(piece.text) for piece in pieces))
    spans = [
        Span(start=end - len(piece.text), end=end, type=piece.type)
        for piece, end in zip(pieces, ends, strict=True)
        if piece.type
    ]
    return "".join(piece.text for piece in pieces), spans


def _compose(knowledge: Knowledge, visit: Visit, states: Mapping[str, int], rng: random.Random) -> list[Piece]:
    """All pieces of one attempt."""
    site = knowledge.sites[visit.patient.site]
    layout = knowledge.layouts[rng.choice(site.layouts or tuple(knowledge.layouts))]
    said = _say(knowledge, layout, states, rng)

    def expand(template: str, x: str = "") -> Iterator[Piece]:
        for index, part in enumerate(SLOT.split(template)):
            if index % 2 == 0:
                yield Piece(part)
            elif part == "x":
                yield Piece(x)
            elif part == "filler":
                yield Piece("", FILLER)
            elif part == "header":
                yield from expand(rng.choice(knowledge.headers))
            elif part in KINDS:
                for number, (sentence, listed) in enumerate(said[part] or [(rng.choice(knowledge.nothing), "")]):
                    yield from _capitalised([Piece(" " if number else ""), *expand(sentence, listed)], not layout.terse)
            else:
                yield identify(part, visit, knowledge, rng)

    pieces = list(expand(layout.text))
    places = [index for index, piece in enumerate(pieces) if piece.type == FILLER]
    filler: dict[int, list[Piece]] = {place: [] for place in places}
    missing = rng.randint(*knowledge.target_characters) - sum(len(piece.text) for piece in pieces)
    for number, template in enumerate(rng.sample(knowledge.filler, len(knowledge.filler))):
        place = places[number] if number < len(places) else rng.choice(places)  # every place gets one
        sentence = [Piece(" " if filler[place] else ""), *expand(_number(template, rng))]
        if number >= len(places) and missing <= 0:
            break
        missing -= sum(len(piece.text) for piece in sentence)
        filler[place] += sentence
    whole = [new for index, piece in enumerate(pieces) for new in filler.get(index, [piece])]
    return [_respell(piece, knowledge, site.plain, rng) for piece in whole if piece.text]


def _say(
    knowledge: Knowledge, layout: Layout, states: Mapping[str, int], rng: random.Random
) -> dict[str, list[tuple[str, str]]]:
    """For each kind of finding its sentences, each with the list that stands at {x}; findings that mean nothing among them."""
    affirmed: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    denied: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    for name, state in states.items():
        finding = knowledge.findings[name]
        (affirmed if state == AFFIRMED else denied)[finding.kind].append(_word(knowledge, finding, state, layout.terse, rng))
    meaningless = [(kind, wording) for kind, wordings in knowledge.noise.items() for wording in wordings]
    for kind, wording in rng.sample(meaningless, rng.randint(*knowledge.noise_findings)):
        if kind in knowledge.negations and rng.random() < 0.5:
            denied[kind].append(_deny(knowledge, kind, wording, rng))
        else:
            affirmed[kind].append(_number(wording, rng))
    said: dict[str, list[tuple[str, str]]] = {}
    for kind in KINDS:
        for items in (affirmed[kind], denied[kind]):
            rng.shuffle(items)
        if layout.terse:
            items = affirmed[kind] + denied[kind]
            rng.shuffle(items)
            said[kind] = [("{x}.", rng.choice([", ", "; "]).join(items))] if items else []
        else:
            said[kind] = [(rng.choice(layout.says[kind]), _listed(chunk)) for chunk in _chunks(affirmed[kind], rng)]
            said[kind] += [("{x}.", ", ".join(chunk)) for chunk in _chunks(denied[kind], rng)]
            rng.shuffle(said[kind])
    return said


def _word(knowledge: Knowledge, finding: Finding, state: int, terse: bool, rng: random.Random) -> str:
    """A finding in its state in words, the number drawn."""
    wording = rng.choice(finding.short if rng.random() < (0.7 if terse else 0.1) else finding.affirmed)
    if state == AFFIRMED:
        return _number(wording, rng)
    if finding.denied:
        return _number(rng.choice(finding.denied), rng)
    return _deny(knowledge, finding.kind, wording, rng)


def _deny(knowledge: Knowledge, kind: Kind, wording: str, rng: random.Random) -> str:
    return rng.choice(knowledge.negations[kind]).replace("{x}", wording)


def _number(wording: str, rng: random.Random) -> str:
    """The wording with a number for each range in it, as precise as the range is.

    >>> _number("WBC {5.2..5.2}", random.Random(1))
    'WBC 5.2'
    """

    def value(match: re.Match[str]) -> str:
        low, high = match.groups()
        decimals = len(low.partition(".")[2])
        scale: int = 10**decimals
        return f"{rng.randint(round(float(low) * scale), round(float(high) * scale)) / scale:.{decimals}f}"

    return NUMBER.sub(value, wording)


def _chunks(items: list[str], rng: random.Random) -> Iterator[list[str]]:
    """The items in order, one to three at a time."""
    start = 0
    while start < len(items):
        size = rng.randint(1, 3)
        yield items[start : start + size]
        start += size


def _listed(items: list[str]) -> str:
    """The items as a sentence lists them.

    >>> _listed(["fever", "chills", "cough"]), _listed(["fever"])
    ('fever, chills and cough', 'fever')
    """
    return ", ".join(items[:-1]) + (" and " if len(items) > 1 else "") + items[-1]


def _capitalised(pieces: list[Piece], wanted: bool) -> list[Piece]:
    """The sentence with a capital at its beginning, where one is wanted."""
    first = next(index for index, piece in enumerate(pieces) if piece.text.strip())
    if not wanted or pieces[first].type:
        return pieces
    text = pieces[first].text
    return [*pieces[:first], Piece(text[0].upper() + text[1:]), *pieces[first + 1 :]]


def _respell(piece: Piece, knowledge: Knowledge, plain: bool, rng: random.Random) -> Piece:
    """The piece as it is typed: with a few misspellings, and in lower case with other abbreviations where a site does so."""
    text = piece.text
    if plain and piece.type in LOWERED:
        text = text.lower()
    if piece.type:
        return Piece(text, piece.type)
    if plain:
        text = WORD.sub(lambda match: knowledge.abbreviations.get(match[0], match[0]), text)
    return Piece(LONG_WORD.sub(lambda match: swap(match[0], rng) if rng.random() < knowledge.typos else match[0], text))


def swap(word: str, rng: random.Random) -> str:
    """The word with two neighbouring letters swapped, not the first: as long as before.

    >>> swap("pain", random.Random(1))
    'pian'
    """
    at = rng.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
