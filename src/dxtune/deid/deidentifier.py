"""Deidentifier: finds protected health information and replaces it with typed placeholders."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

from dxtune.deid import names, structured
from dxtune.deid.spans import Span, merge, replace

_SURROGATES = re.compile("[\ud800-\udfff]")
Known = dict[str, set[str]]


class Deidentifier:
    """Safe Harbor de-identification (45 CFR 164.514(b)(2)) with no state but the key of its pseudonyms.

    >>> engine = Deidentifier(b"sixteen bytes or more")
    >>> engine.deidentify(["Mr. Zbigniew Foley, MRN 204117, seen 3/4/2019 for Parkinson's disease. BP 120/80."])
    ["Mr. [NAME] [NAME], MRN [MRN], seen [DATE-2019] for Parkinson's disease. BP 120/80."]
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def spans(self, text: str) -> list[Span]:
        """What to mask in a note by itself: sorted spans inside the text, none overlapping."""
        return self._spans(text)[0]

    def spans_of(self, texts: Sequence[str], patient_ids: Sequence[str] | None = None) -> list[list[Span]]:
        """What to mask in each note; a name in strong context in one note is masked in all notes of its patient."""
        patients = list(patient_ids) if patient_ids is not None else [str(number) for number in range(len(texts))]
        found = [self._spans(text) for text in texts]
        known: Known = {}
        for patient, (_, strong) in zip(patients, found, strict=True):
            known.setdefault(patient, set()).update(strong)
        return [
            merge([*spans, *names.carried(text, known[patient])], text) if known[patient] else spans
            for text, patient, (spans, _) in zip(texts, patients, found, strict=True)
        ]

    def deidentify(self, texts: Sequence[str], patient_ids: Sequence[str] | None = None) -> list[str]:
        """The notes with placeholders. It looks again until nothing is left: doing it twice changes nothing."""
        return self.deidentify_with_spans(texts, patient_ids)[0]

    def deidentify_with_spans(
        self, texts: Sequence[str], patient_ids: Sequence[str] | None = None
    ) -> tuple[list[str], list[list[Span]]]:
        """The notes with placeholders, and the spans of the first look, in offsets of the notes given."""
        patients = list(patient_ids) if patient_ids is not None else [str(number) for number in range(len(texts))]
        first = spans = self.spans_of(texts, patients)
        done, rows = list(texts), list(range(len(texts)))
        while any(spans):
            for row, some in zip(rows, spans, strict=True):
                done[row] = replace(done[row], some)
            changed = {patients[row] for row, some in zip(rows, spans, strict=True) if some}
            rows = [row for row in rows if patients[row] in changed]
            spans = self.spans_of([done[row] for row in rows], [patients[row] for row in rows])
        return done, first

    def pseudonym(self, kind: str, value: str) -> str:
        """What stands for a record number: the same for the same key, and of no use without it (164.514(c))."""
        digest = hmac.new(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"{kind[0]}-{digest.hexdigest()[:16]}"

    @property
    def key_fingerprint(self) -> str:
        """Tells keys apart without telling the key."""
        return hashlib.sha256(b"fingerprint" + self._key).hexdigest()[:12]

    def _spans(self, text: str) -> tuple[list[Span], set[str]]:
        readable = text if text.isascii() else _SURROGATES.sub("\ufffd", text)
        certain = structured.find(readable)
        taken = merge(certain, readable)
        people, strong = names.find(readable, taken_with_placeholders(readable, taken))
        return merge([*certain, *people, *names.carried(readable, strong)], readable), strong


def taken_with_placeholders(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans and the placeholders of an earlier look, in order: what the search for names leaves alone."""
    return sorted([*spans, *structured.placeholders(text)])
