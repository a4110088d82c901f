"""Deidentifier: finds protected health information and replaces it with typed placeholders, or with surrogates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dxtune.deid import engine
from dxtune.deid.carried import Shared
from dxtune.deid.key import fingerprint_of
from dxtune.deid.keyed import Keyed
from dxtune.deid.spans import Span, Triple, placeholder, replace
from dxtune.deid.surrogates import Surrogates, words_of
from dxtune.deid.tokens import Ints
from dxtune.deid.vote import Voter, add_votes

BATCH = 1 << 20
"""Characters that are looked at together: enough for numpy's passes to be worth it, little enough for memory."""


@dataclass(frozen=True)
class Deidentified:
    """Notes without identifiers, what was found in them, and why: of each span its rule (engine.RULES) and its margin."""

    texts: list[str]
    spans: list[list[Span]]
    reasons: list[list[tuple[int, int]]]


class Deidentifier:
    """Safe Harbor de-identification (45 CFR 164.514(b)(2)) with no state but the key of its pseudonyms and surrogates.

    style: placeholder ([NAME], [DATE-2019]) or surrogate (other names, other numbers). dates, with surrogates: year alone, or
    shift by whole weeks, the same for all notes of a patient, which Safe Harbor does not allow (Expert Determination,
    164.514(b)(1)).
    voter: a model that may add spans in sentences with doubtful words.

    >>> engine = Deidentifier(b"sixteen bytes or more")
    >>> engine.deidentify(["Mr. Zbigniew Foley, MRN 204117, seen 3/4/2019 for Parkinson's disease. BP 120/80."])
    ["Mr. [NAME], MRN [MRN], seen [DATE-2019] for Parkinson's disease. BP 120/80."]
    """

    def __init__(
        self,
        key: bytes,
        style: Literal["placeholder", "surrogate"] = "placeholder",
        dates: Literal["year", "shift"] = "year",
        voter: Voter | None = None,
    ) -> None:
        self._key, self.style, self.dates, self.voter = key, style, dates, voter
        self._keyed = Keyed(key)

    def spans(self, text: str) -> list[Span]:
        """What to mask in a note by itself: sorted spans inside the text, none overlapping."""
        return self.spans_of([text])[0]

    def spans_of(
        self, texts: Sequence[str], patient_ids: Sequence[str] | None = None, known: Sequence[str] | None = None
    ) -> list[list[Span]]:
        """What to mask in each note; a name in strong context in one note is masked in all notes of its patient.

        known: of each note the identifiers in its structured columns, a line each; their words are masked wherever they stand.
        """
        return self.find(texts, _patients(texts, patient_ids), known)[0]

    def deidentify(
        self, texts: Sequence[str], patient_ids: Sequence[str] | None = None, known: Sequence[str] | None = None
    ) -> list[str]:
        """The notes without identifiers. With placeholders, doing it twice changes nothing."""
        if self.voter is not None:
            return self.examine(texts, patient_ids, known).texts
        patients = _patients(texts, patient_ids)
        looks = self._looks(texts, patients, known, None)
        found = engine.together([some._replace(note=rows[some.note]) for rows, some, _ in looks] or [engine.NOTHING])
        return self._written(texts, found.triples(len(texts)), patients)

    def examine(
        self,
        texts: Sequence[str],
        patient_ids: Sequence[str] | None = None,
        known: Sequence[str] | None = None,
        shared: Shared | None = None,
    ) -> Deidentified:
        """The notes without identifiers, and what was found in them, in offsets of the notes given.

        shared: names that these notes share with others that are looked at elsewhere.
        """
        patients = _patients(texts, patient_ids)
        spans, reasons = self.find(texts, patients, known, shared)
        if self.style == "surrogate":
            return Deidentified(self._written(texts, spans, patients), spans, reasons)
        done, some = list(map(replace, texts, spans)), spans
        while self.voter is not None and (any(some) + (shared is not None and shared.next_round())):
            some = self.find(done, patients, known, shared)[0]  # votes, too, until there is nothing left to vote for
            both = [_with_later(*row) for row in zip(spans, reasons, some, texts, strict=True)]
            spans, reasons = [its for its, _ in both], [why for _, why in both]
            done = list(map(replace, texts, spans))
        return Deidentified(done, spans, reasons)

    def pseudonym(self, kind: str, value: str) -> str:
        """What stands for a record number: the same for the same key, and of no use without it (164.514(c))."""
        return f"{kind[0]}-{self.digest(kind, value)}"

    def digest(self, kind: str, value: str) -> str:
        """A keyed hash of a value, 16 hexadecimal digits: equal values can be told to be equal, and nothing else."""
        return self._keyed.digest(kind, value)[:8].hex()

    @property
    def key_fingerprint(self) -> str:
        """Tells keys apart without telling the key."""
        return fingerprint_of(self._key)

    def patient_tag(self, patient: str) -> int:
        """The pseudonym of a patient as a number of 64 bits."""
        return int(self.digest("patient", patient), 16)

    def find(
        self, texts: Sequence[str], patients: Sequence[str], known: Sequence[str] | None = None, shared: Shared | None = None
    ) -> tuple[list[list[Span]], list[list[tuple[int, int]]]]:
        """What to mask in each note, and of each span its rule (engine.RULES) and its margin."""
        spans: list[list[Span]] = [[] for _ in texts]
        reasons: list[list[tuple[int, int]]] = [[] for _ in texts]
        for rows, found, marked in self._looks(texts, patients, known, shared):
            listed, why = found.spans(len(rows)), found.reasons(len(rows))
            if self.voter is not None:
                some, before = [texts[row] for row in rows], listed
                listed = add_votes(some, listed, _by_note(len(some), *engine.doubtful(marked)), self.voter)
                why = [_reasons(*each) for each in zip(listed, before, why, strict=True)]
            for row, its, their in zip(rows.tolist(), listed, why, strict=True):
                spans[row], reasons[row] = its, their
        return spans, reasons

    def _looks(
        self, texts: Sequence[str], patients: Sequence[str], known: Sequence[str] | None, shared: Shared | None
    ) -> Iterator[tuple[Ints, engine.Findings, engine.Marked]]:
        """Batch by batch: which notes it holds, what was found in them, and the first look at them."""
        for rows in batches(texts, patients):
            numbers = {patient: number for number, patient in enumerate(dict.fromkeys(patients[row] for row in rows))}
            owners = np.array([numbers[patients[row]] for row in rows])
            names = [known[row] for row in rows] if known else None
            carried = shared.of([self.patient_tag(patient) for patient in numbers]) if shared is not None else None
            some = [texts[row] for row in rows]
            yield np.array(rows), *engine.find(some, owners, names, again=self.style == "placeholder", shared=carried)

    def _written(self, texts: Sequence[str], spans: Sequence[Sequence[Triple]], patients: Sequence[str]) -> list[str]:
        """The notes with what stands for their spans."""
        if self.style == "placeholder":
            return list(map(replace, texts, spans))
        inside = (text[start:end] for text, some in zip(texts, spans, strict=True) for start, end, _ in some)
        surrogates = Surrogates(self._key, self.dates, words_of(inside))
        return [surrogates.replace(*row) for row in zip(texts, spans, patients, strict=True)]


def _reasons(spans: list[Span], before: list[Span], why: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The reasons of the spans after a vote: those that they had before it, and the vote for what is new or longer."""
    had = dict(zip(before, why, strict=True))
    return [had.get(span, (engine.RULES.index("vote"), 0)) for span in spans]


def _with_later(
    spans: list[Span], reasons: list[tuple[int, int]], found: list[Span], text: str
) -> tuple[list[Span], list[tuple[int, int]]]:
    """The spans of a note, and their reasons, with those that were found when placeholders stood for `spans`, by the votes."""
    listed = list(zip(spans, reasons, strict=True))
    shift, before = 0, iter([*spans, Span(len(text), len(text), "")])
    span = next(before)
    for start, end, kind in found:
        while span.start + shift < start and span.end < len(text):
            shift += len(placeholder(span, text)) - (span.end - span.start)
            span = next(before)
        listed.append((Span(start - shift, end - shift, kind), (engine.RULES.index("vote"), 0)))
    listed.sort()
    return [its for its, _ in listed], [why for _, why in listed]


def _patients(texts: Sequence[str], patient_ids: Sequence[str] | None) -> list[str]:
    return list(patient_ids) if patient_ids is not None else [str(number) for number in range(len(texts))]


def batches(texts: Sequence[str], patients: Sequence[str]) -> list[list[int]]:
    """The notes that are looked at together, by number: about BATCH characters, and all the notes of a patient in one batch."""
    of_patient: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        of_patient.setdefault(patient, []).append(row)
    result: list[list[int]] = []
    size = 0
    for rows in of_patient.values():
        characters = sum(len(texts[row]) for row in rows)
        if not result or size + characters > BATCH:
            result.append([])
            size = 0
        result[-1] += rows
        size += characters
    return result


def _by_note(notes: int, note: Ints, start: Ints, end: Ints) -> list[list[tuple[int, int]]]:
    result: list[list[tuple[int, int]]] = [[] for _ in range(notes)]
    for owner, a, b in zip(note.tolist(), start.tolist(), end.tolist(), strict=True):
        result[owner].append((a, b))
    return result
