"""Finds names and places: by their context, and by default, because nothing says that a capitalised word is safe.

Context (a title, a label, a relation, a degree, a preposition) masks even common words; otherwise a word that is known to
be safe is kept, a doubtful one is masked beside a name, and an unknown one is masked.
45 CFR 164.514(b)(2)(i)(A) and (B): the patient, relatives, employers and household members.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from dxtune.deid import cues, lexicon
from dxtune.deid.lexicon import DOUBTFUL, SAFE, UNKNOWN
from dxtune.deid.spans import Span

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # one character class after another: linear
NAME, LOCATION, DEFAULT = 1, 2, 3
_BEFORE_NAMES = cues.TITLES | cues.ROLES


class Word(NamedTuple):
    """What a word says by itself."""

    low: str
    verdict: int
    capital: bool
    title: bool
    clinical: bool


@lru_cache(maxsize=1 << 16)
def word_of(form: str) -> Word:
    """What the lexicon knows of a word as it is written."""
    low = form.lower().replace("’", "'")
    stem = low.removesuffix("'s")
    capital = form[0].isupper() or not (form[0].islower() or form.isascii())
    verdict = SAFE if len(form) == 1 else lexicon.verdict(form)
    if (
        verdict == UNKNOWN
        and len(form) <= 5
        and not form.isupper()
        and not form.islower()
        and not form.istitle()
        and "'" not in low
    ):
        verdict = UNKNOWN if low.startswith(("mc", "de", "la", "le", "di", "du", "o")) else SAFE  # CrCl, mRNA; but McKay
    clinical = stem in lexicon.clinical_words() or stem in lexicon.GENERIC_PLACES or low in lexicon.MONTHS_AND_DAYS
    return Word(stem, verdict, capital, capital and not (len(form) > 1 and form.isupper()), clinical)


def _lacks_capitals(text: str) -> bool:
    """Whether a note is written in small letters, so that a capital says nothing and an unknown word is doubted as it is."""
    return sum(map(str.isupper, text[:4000])) * 100 < len(text[:4000])


class Note:
    """The free words of one note: forms, places, and the marks that the rules put on them."""

    def __init__(self, text: str, taken: list[Span]) -> None:
        self.text = text
        self.words: list[Word] = []
        self.at: list[tuple[int, int]] = []
        small = _lacks_capitals(text)
        step = 0
        for match in _TOKEN.finditer(text):
            start, end = match.span()
            while step < len(taken) and taken[step].end <= start:
                step += 1
            if step < len(taken) and taken[step].start < end:
                continue
            word = word_of(match[0])
            if small and not word.capital and len(word.low) > 2 and lexicon.verdict(word.low) != SAFE:
                word = word_of(match[0].capitalize())
            self.words.append(word)
            self.at.append((start, end))
        self.capitals = [index for index, word in enumerate(self.words) if word.capital]
        self.marks = bytearray(len(self.words))

    def gap(self, left: int) -> str:
        """What stands between a word and the next; a line's end at either end of the note."""
        if left < 0 or left + 1 >= len(self.words):
            return "\n"
        return self.text[self.at[left][1] : self.at[left + 1][0]]

    def is_code(self, index: int) -> bool:
        """Whether a short word touches a digit: SpO2, CD4, T2."""
        start, end = self.at[index]
        return end - start <= 4 and (self.text[end : end + 1].isdigit() or self.text[max(0, start - 1) : start].isdigit())

    def is_eponym(self, index: int) -> bool:
        """Whether a disease, a sign or a device follows: "Prinzmetal angina", "Ehlers-Danlos syndrome"; no title before."""
        for ahead in range(index + 1, min(index + 4, len(self.words))):
            if self.gap(ahead - 1) not in (" ", "-", "' ", "’ ", "–"):
                return False
            if self.words[ahead].low in lexicon.EPONYM_HEADS:
                return not (self.gap(index - 1) in (" ", ". ") and self.words[index - 1].low in cues.TITLES)
            if not self.words[ahead].capital:
                return False
        return False


def find(text: str, taken: list[Span]) -> tuple[list[Span], set[str]]:
    """Names and places in a text, and the lower-case words of names in strong context (to carry to other notes).

    `taken` are sorted spans that are explained already: no word inside them is looked at.
    """
    kept = [Span(match.start(), match.end(), "KEEP") for match in cues.KEEP.finditer(text)]
    note = Note(text, sorted([*taken, *kept]) if kept else taken)
    people = {match.end() for match in cues.PEOPLE.finditer(text)}
    places = {match.end() for match in cues.PLACES.finditer(text)}
    for index, (word, (start, _)) in enumerate(zip(note.words, note.at, strict=True)):
        if word.capital or start in people or (index and word.verdict != SAFE and note.words[index - 1].low in _BEFORE_NAMES):
            kind = _context(note, index, start in people, start in places)
            if kind:
                _mark_run(note, index, kind)
    strong = {
        word.low
        for word, mark in zip(note.words, note.marks, strict=True)
        if mark == NAME and word.verdict != SAFE and len(word.low) > 2
    }
    for index in note.capitals:
        if (
            not note.marks[index]
            and note.words[index].verdict == UNKNOWN
            and not note.is_eponym(index)
            and not note.is_code(index)
        ):
            note.marks[index] = DEFAULT
    _pairs(note)
    _spread(note)
    spans = [
        Span(*place, "LOCATION" if mark == LOCATION else "NAME")
        for place, mark in zip(note.at, note.marks, strict=True)
        if mark
    ]
    return [*_addresses(text), *spans], strong


def carried(text: str, names: set[str]) -> list[Span]:
    """The places where names that are known from elsewhere occur: with a capital, or at all if they are no common words."""
    if not names:
        return []
    found = ((match, word_of(match[0])) for match in _TOKEN.finditer(text))
    return [
        Span(*match.span(), "NAME") for match, word in found if word.low in names and (word.capital or word.verdict == UNKNOWN)
    ]


def _context(note: Note, index: int, person: bool, place: bool) -> int:  # noqa: PLR0911, PLR0912 (a list of cases)
    """NAME or LOCATION where what stands around a word says so, else 0."""
    word, gap = note.words[index], note.gap(index - 1)
    previous = note.words[index - 1] if index else None
    if word.low in cues.TITLES or note.is_code(index):
        return 0
    titled = previous is not None and previous.low in cues.TITLES and gap in (" ", ". ", ".")
    if titled and (word.capital or word.verdict != SAFE or (gap == ". " and not word.clinical)):
        return NAME
    if word.low in lexicon.MONTHS_AND_DAYS:
        return 0
    if len(word.low) == 1:
        return _initial(note, index, person)
    if not word.capital:
        before = person or (previous is not None and previous.low in cues.ROLES and gap in (" ", ", ", ". ", ": "))
        return NAME if before and word.verdict == UNKNOWN else 0
    if person and (not word.clinical or word.verdict == DOUBTFUL):
        return NAME
    if person and index + 1 < len(note.words) and note.gap(index) in (" ", ", ") and _leads_to_name(note, index):
        return NAME
    if previous and previous.low in cues.ROLES and not note.is_eponym(index):
        if word.verdict != SAFE and (gap in (" ", ", ", ": ", " - ") or (gap == ". " and previous.low in {"pt", "pts"})):
            return NAME
        if gap in (" ", ", ") and word.title and not word.clinical:
            return NAME
    if note.gap(index) in (", ", " ", ",") and index + 1 < len(note.words):
        after = note.words[index + 1]
        if (
            after.low in cues.DEGREES
            and not after.title
            and len(after.low) > 1
            and (word.verdict != SAFE or (word.title and not word.clinical))
        ):
            return NAME
    if place and word.title and not word.clinical and not note.is_eponym(index):
        return LOCATION
    return 0


def _initial(note: Note, index: int, person: bool) -> int:
    """NAME for "S. Brewer" and "B Lopez" where neither a list nor a species is meant."""
    gap = note.gap(index)
    if not (note.words[index].capital or person) or index + 1 >= len(note.words) or gap not in (". ", ".", " "):
        return 0
    after = note.words[index + 1]
    if (
        not (after.title or (person and after.verdict == UNKNOWN))
        or len(after.low) == 1
        or after.clinical
        or note.is_eponym(index + 1)
    ):
        return 0
    start = note.at[index][0]
    if person or (after.verdict != SAFE and gap != " "):
        return NAME
    return (
        NAME if gap == ". " and note.text[max(0, start - 1) : start] == " " and note.words[index - 1].low in cues.ROLES else 0
    )


def _leads_to_name(note: Note, index: int) -> bool:
    """Whether a clinical word begins a name after all: "ELISA M. Weiss"."""
    ahead = index + 1
    if len(note.words[ahead].low) == 1 and ahead + 1 < len(note.words) and note.gap(ahead) in (" ", ". "):
        ahead += 1
    return note.words[ahead].capital and note.words[ahead].verdict != SAFE and not note.is_eponym(index)


def _mark_run(note: Note, index: int, kind: int) -> None:
    """Marks a word and those that go on with it: initials, particles, further names."""
    note.marks[index] = note.marks[index] or kind
    lower = not note.words[index].capital
    for step in range(5):
        at = index + 1 + step
        gap, token = note.gap(at - 1), note.words[at - 1]
        if gap not in (" ", "-", "", ", ") and not (gap in (". ", ".") and len(token.low) == 1):
            return
        after = note.words[at]
        if (after.low in cues.DEGREES and not after.title) or after.low in lexicon.MONTHS_AND_DAYS or note.is_code(at):
            return
        if gap == ", " and (kind != NAME or step or len(after.low) == 1 or after.verdict == SAFE):
            return
        short = after.title and 1 < len(after.low) <= 3 and after.low not in cues.FUNCTION and kind == NAME
        fits = short or len(after.low) == 1 or after.verdict != SAFE or (after.title and not after.clinical and gap != ", ")
        if (after.capital and fits) or (lower and after.verdict == UNKNOWN):
            note.marks[at] = note.marks[at] or kind
        elif not (after.low in cues.PARTICLES and at + 1 < len(note.words) and note.words[at + 1].capital):
            return


def _pairs(note: Note) -> None:
    """Marks two names in a row although each is a common word ("Rose Young", "Banks, Chase"), and "Henry R."."""
    doubted = lexicon.name_words()
    for index in note.capitals[:-1]:
        word, gap, after = note.words[index], note.gap(index), note.words[min(index + 1, len(note.words) - 1)]
        if word.verdict != DOUBTFUL or word.low not in doubted or not after.capital:
            continue
        if gap in (" ", ", ") and after.verdict == DOUBTFUL and after.low in doubted and not (after.clinical or word.clinical):
            if not note.is_eponym(index + 1) and not note.is_eponym(index):
                note.marks[index] = note.marks[index + 1] = note.marks[index] or note.marks[index + 1] or DEFAULT
        elif gap == " " and len(after.low) == 1 and note.gap(index + 1)[:1] in ".,;\n" and word.title:
            note.marks[index] = note.marks[index + 1] = note.marks[index] or DEFAULT


def _spread(note: Note) -> None:
    """Marks doubtful words, initials and "New", "Port", "St." beside marked words, forwards and then backwards."""
    for step, order in ((1, note.capitals), (-1, note.capitals[::-1])):
        for index in order:
            other = index - step
            if note.marks[index] or not 0 <= other < len(note.words) or not note.marks[other] or not note.words[other].capital:
                continue
            word, left = note.words[index], min(index, other)
            gap, first = note.gap(left), note.words[left]
            near = gap in (" ", "-", "'", "’", "") or (
                gap in (". ", ".") and (len(first.low) == 1 or first.low in {"st", "mt", "ft"})
            )
            if len(word.low) == 1:
                marked = near and (step > 0 or gap in (". ", ".", " ")) and not (word.low == "a" and gap == " " and step < 0)
            elif step < 0 and word.low in cues.PLACE_PREFIXES and word.title:
                marked = near
            else:
                marked = word.verdict == DOUBTFUL and (near or (gap == ", " and word.title)) and not note.is_eponym(index)
            if marked:
                note.marks[index] = note.marks[other]


def _addresses(text: str) -> list[Span]:
    """Streets, counties, facilities, firms and initials: what such things are called and look like."""
    spans = [_group(match, "LOCATION") for match in cues.STREET[0].finditer(text)]
    spans += [_group(match, "LOCATION") for match in cues.STREET[2].finditer(text)]
    spans += [_group(match, "NAME") for match in cues.INITIALS.finditer(text)]
    for pattern, kind in (
        (cues.STREET[1], "LOCATION"),
        (cues.CITY, "LOCATION"),
        (cues.FIRM, "FACILITY"),
        (cues.AREA, "LOCATION"),
        (cues.FACILITY, "FACILITY"),
        (cues.FACILITY_SMALL, "FACILITY"),
    ):
        for match in pattern.finditer(text):
            span = _group(match, kind)
            if _is_place(pattern, [word_of(found) for found in _TOKEN.findall(text, span.start, span.end)]):
                spans.append(span)
    return spans


def _is_place(pattern: Any, words: list[Word]) -> bool:
    """Whether the words of a candidate say more than medicine: "Mercy Hospital" does, "Pain Clinic" does not."""
    capitals = [word for word in words if word.capital]
    if pattern is cues.FACILITY_SMALL:
        return not words[0].clinical or words[0].low in cues.TELLING
    if pattern is cues.FIRM:
        return not any(word.clinical for word in capitals) and any(word.verdict == UNKNOWN for word in capitals)
    if pattern is cues.STREET[1]:
        return not capitals[0].clinical
    if pattern is cues.CITY:
        return not all(word.clinical for word in capitals)
    return any(len(word.low) > 1 and (not word.clinical or word.low in cues.TELLING) for word in capitals[:-1])


def _group(match: Any, kind: str) -> Span:
    return Span(match.start(1), match.end(1), kind)
