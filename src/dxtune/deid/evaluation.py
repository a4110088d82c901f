"""How much of the known identifiers of your own notes is masked, and how much else: recall by type, and the worst misses.

    dxtune deid-eval GOLD.jsonl [--show-text] [--worst 20]

What is read here is PHI: no message holds a note's text, and no report unless asked. All offsets count characters.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

from dxtune.deid.deidentifier import Deidentifier
from dxtune.deid.spans import Span
from dxtune.errors import DataError


@dataclass(frozen=True)
class GoldNote:
    """A note and what is known of it: `gold` must be masked, `neutral` may be, `distract` looks like PHI and must be kept."""

    id: str
    text: str = field(repr=False)
    gold: tuple[Span, ...]
    neutral: tuple[Span, ...] = ()
    distract: tuple[Span, ...] = ()
    patient_id: str | None = None


@dataclass(frozen=True)
class Miss:
    """A gold span of a note that is not masked in full: `unmasked` of its letters and digits are left."""

    note: GoldNote
    span: Span
    unmasked: int


class TypeScore(NamedTuple):
    """Of the gold spans of one type: how many there are, the shares, and the lower 95 % bound of `full` (Wilson)."""

    n: int
    any: float
    full: float
    full_low95: float


@dataclass(frozen=True)
class Scores:
    """Shares, not rounded; nan where there is nothing to divide by. Misses come with the longest unmasked first.

    any, full: of the gold spans, those that are touched, and those whose every letter and digit is covered. notes_full: of the
    notes. non_phi_lost: of the characters outside gold and neutral spans, white space aside. distract: by kind, those touched.
    """

    notes: int
    spans: int
    any: float
    full: float
    notes_full: float
    non_phi_lost: float
    distract: dict[str, float]
    by_type: dict[str, TypeScore]
    misses: tuple[Miss, ...]


def read_gold(path: Path) -> list[GoldNote]:
    """The notes of a json lines file, in order; blank lines are left out.

    A row has id, text, and gold or spans; neutral, distract and patient_id if known. A span is [start, end, type] or an object
    with these keys. Raises DataError, which names file, line and key, and never says what stands there.
    """
    try:
        rows = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: expected a readable file of json lines ({type(error).__name__}): name another") from None
    notes: dict[str, GoldNote] = {}
    for number, row in enumerate(rows, 1):
        if row.strip():
            note = _note(row, where := f"{path}, line {number}")
            _require(note.id not in notes, f"{where}, id", "one that no line before has")
            notes[note.id] = note
    _require(bool(notes), str(path), "at least one row with id, text and gold, found none")
    return list(notes.values())


def _note(line: bytes, where: str) -> GoldNote:
    row: Any = None
    with suppress(ValueError, RecursionError):  # json's own error would carry the text along
        row = json.loads(line)
    _require(isinstance(row, dict), where, "a json object in UTF-8, found something else or broken json")
    text, patient, key = row.get("text"), row.get("patient_id"), "gold" if "gold" in row else "spans"
    _require(isinstance(text, str), f"{where}, text", f"a string, found {type(text).__name__}")
    _require(key in row, where, "the key gold or spans, [] in a note without identifiers, found neither")
    gold, neutral, distract = (_spans(row.get(name), len(text), f"{where}, {name}") for name in (key, "neutral", "distract"))
    patient = None if patient is None else _name(patient, f"{where}, patient_id")
    return GoldNote(_name(row.get("id"), f"{where}, id"), text, gold, neutral, distract, patient)


def _name(value: Any, where: str) -> str:
    name = str(value) if type(value) in (str, int) else ""  # what is longer is a text, and must not reach a report
    _require(0 < len(name) <= 100 and name.isprintable(), where, "a whole number, or 1 to 100 printable characters")
    return name


def _spans(items: Any, length: int, where: str) -> tuple[Span, ...]:
    _require(items is None or isinstance(items, list), where, "a list of [start, end, type]")
    spans = []
    for at, item in ((f"{where}, span {number}", item) for number, item in enumerate(items or (), 1)):
        parts: Any = [item.get(name) for name in Span._fields] if isinstance(item, dict) else item
        fits = isinstance(parts, list) and [type(part) for part in parts] == [int, int, str]
        _require(fits and 0 <= parts[0] < parts[1] <= length, at, f"[start, end, type] with 0 <= start < end <= {length}")
        spans.append(Span(parts[0], parts[1], _name(parts[2], f"{at}, type")))
    return tuple(spans)


def _require(holds: bool, where: str, expected: str) -> None:
    if not holds:
        raise DataError(f"{where}: expected {expected}: correct it or export the file again")


def score(notes: Sequence[GoldNote], found: Sequence[Sequence[Span]]) -> Scores:
    """How well `found`, the spans of each note, cover the gold spans. Raises DataError where one is not inside its note.

    >>> score([GoldNote("1", "Ada B came", (Span(0, 5, "NAME"),))], [[Span(0, 3, "NAME")]]).by_type
    {'NAME': TypeScore(n=1, any=1.0, full=0.0, full_low95=0.0)}
    """
    total, touched, full = (Counter[str]() for _ in range(3))
    kinds: defaultdict[str, list[bool]] = defaultdict(list)
    misses: list[Miss] = []
    outside = lost = notes_full = 0
    for note, spans in zip(notes, found, strict=True):
        text, size, before = note.text, len(note.text), len(misses)
        bare = bytearray(b"\1") * size
        for start, end, _ in spans:
            _require(0 <= start < end <= size, f"note {note.id}", f"found spans inside {size} characters, not {start}:{end}")
            bare[start:end] = bytes(end - start)
        for span in note.gold:
            start, end, kind = span
            rest = bare[start:end]
            left = sum(map(str.isalnum, compress(text[start:end], rest)))
            total[kind] += 1
            touched[kind] += 0 in rest
            full[kind] += not left
            misses += [Miss(note, span, left)] if left else []
        notes_full += len(misses) == before
        for start, end, kind in note.distract:
            kinds[kind].append(0 in bare[start:end])
        other = bytearray(b"\1") * size
        for start, end, _ in (*note.gold, *note.neutral):
            other[start:end] = bare[start:end] = bytes(end - start)
        # str.split and str.isspace mean the same by white space
        visible, kept = (sum(map(len, "".join(compress(text, mask)).split())) for mask in (other, bare))
        outside += visible
        lost += visible - kept
    n = total.total()
    ratios = ((touched.total(), n), (full.total(), n), (notes_full, len(notes)), (lost, max(outside, 1)))
    any_share, full_share, notes_share, lost_share = (part / whole if whole else math.nan for part, whole in ratios)
    distract = {k: sum(hits) / len(hits) for k, hits in sorted(kinds.items())}
    by_type = {k: TypeScore(m, touched[k] / m, full[k] / m, wilson_low(full[k], m)) for k, m in sorted(total.items())}
    misses.sort(key=lambda miss: -miss.unmasked)
    return Scores(len(notes), n, any_share, full_share, notes_share, lost_share, distract, by_type, tuple(misses))


def wilson_low(hits: int, n: int) -> float:
    """The lower bound of the 95 % score interval of a share (E. B. Wilson 1927, Probable inference, JASA 22, 209-212)."""
    z, p = 1.96, hits / n
    return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def evaluate(path: Path, engine: Deidentifier) -> Scores:
    """What the de-identifier masks of a gold file, at its first look. A note without patient_id is a patient of its own."""
    notes = read_gold(path)
    return score(notes, engine.spans_of([n.text for n in notes], [n.patient_id or f"\0{n.id}" for n in notes]))


def report(scores: Scores, show_text: bool, worst: int) -> str:
    """The scores as plain text, and the `worst` misses; their text only with `show_text`, without its control characters."""
    share, shown = "{:.4f}".format, scores.misses[: max(worst, 0)]
    shares = [(name, share(getattr(scores, name))) for name in ("any", "full", "notes_full", "non_phi_lost")]
    misses = [(m.note.id, *map(str, (*m.span, m.span.end - m.span.start, m.unmasked))) for m in shown]
    blocks = []
    for rows in (
        [("notes", str(scores.notes)), ("spans", str(scores.spans)), ("misses", str(len(scores.misses))), *shares],
        [("type", "n", "any", "full", "full_low95"), *((k, str(s.n), *map(share, s[1:])) for k, s in scores.by_type.items())],
        [("distract", "touched"), *((k, share(value)) for k, value in scores.distract.items())],
        [("miss in note", "start", "end", "type", "length", "unmasked"), *misses],
    ):
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        blocks.append(["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows])
    if show_text:
        texts = ["text", *(repr(m.note.text[m.span.start : m.span.end]) for m in shown)]
        blocks[-1] = list(map("  ".join, zip(blocks[-1], texts, strict=True)))
    return "\n\n".join("\n".join(block) for block in blocks if len(block) > 1)
