"""The default source: synthetic notes whose best possible accuracy is known, with every kind of PHI at known offsets.

    collect: {source: synthetic, path: src/dxtune/sources/synthetic.yaml, notes: 1500, seed: 13}

The diagnosis is never named: it must be read from findings that are affirmed, denied, abbreviated, misspelt, and buried
among findings that mean nothing. Like a real export it has follow-ups, duplicates, wrong labels and unusable rows. Rows
come patient by patient from one seed each, so that more notes leave the first ones as they were.
"""

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import count, islice
from pathlib import Path

import polars as pl

from dxtune.params import Collect
from dxtune.records import GOLD_SPANS, QUARANTINE, RAW
from dxtune.shards import ROWS_PER_SHARD
from dxtune.sources.pieces import Batch, Piece
from dxtune.sources.synthetic_identity import make_patient, make_visits
from dxtune.sources.synthetic_knowledge import Knowledge, load_knowledge
from dxtune.sources.synthetic_text import LONG_WORD, Span, swap, write_note

BLOCK = {"exact": 2, "near": 2, "broken": 1}  # copies and unusable rows in every 200 rows: 1 %, 1 % and 0.5 %
BLOCK_ROWS = 200
SHORTEST = 4  # a text with fewer characters says nothing
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **RAW,
    **dict.fromkeys(("sex", "age_band", "ethnicity", "site"), pl.String),
    "gold_spans": GOLD_SPANS,
    "posterior": pl.List(pl.Float64),
}


@dataclass(frozen=True)
class _Row:
    """A row as the source delivers it, and what only its maker knows."""

    patient_id: str
    note_date: str
    text: str
    label: str | None
    sex: str
    age_band: str
    ethnicity: str
    site: str
    gold_spans: list[Span]
    posterior: list[float]
    diagnosis: str
    origin: str = "new"


def pieces(settings: Collect, task: str) -> Iterator[Piece]:
    """The rows, ROWS_PER_SHARD a piece. task: classification (params.py sees to that).

    All notes are made here, at once: they are a few thousand, and half a second of work for each thousand.
    """
    notes, quarantine, _ = _collected(settings.path, settings.seed, settings.notes)
    knowledge = Path(settings.path).read_bytes()
    for start in range(0, settings.notes, ROWS_PER_SHARD):
        end = min(start + ROWS_PER_SHARD, settings.notes)
        number = pl.col("note_id").str.slice(1).cast(pl.Int64)
        batch = Batch(notes.filter(number.is_between(start + 1, end)), quarantine.filter(number.is_between(start + 1, end)))
        key = hashlib.blake2b(f"{settings.seed} {start} {end}\n".encode() + knowledge, digest_size=32)
        yield Piece(key.hexdigest(), end - start, partial(Batch, *batch))


def facts(settings: Collect) -> dict[str, float | int | str]:
    """Counts and shares of the records, and the accuracy that no classifier can beat."""
    return dict(_collected(settings.path, settings.seed, settings.notes)[2])


@lru_cache(maxsize=1)
def _collected(path: str, seed: int, notes: int) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, float | int]]:
    """The records (raw columns, subgroups, gold_spans, posterior), the quarantine table, and facts about the source.

    `posterior` is of the label as recorded, labels in sorted order. Records and quarantined rows are `notes` together.
    Raises DataError where the table in `path` is missing or wrong.
    """
    knowledge = load_knowledge(Path(path))
    rows = list(islice(_rows(knowledge, seed), notes))
    good, bad = [], []
    for number, row in enumerate(rows, start=1):
        note_id = f"N{number:06d}"
        if reason := problem(row.text, row.label):
            bad.append({"file": "synthetic", "row": number, "note_id": note_id, "reason": reason})
        else:
            good.append({"note_id": note_id, "split": None, **asdict(row)})
    kept = [row for row in rows if not problem(row.text, row.label)]
    records = pl.DataFrame([{name: row[name] for name in SCHEMA} for row in good], schema=SCHEMA)
    return records, pl.DataFrame(bad, schema=QUARANTINE), _facts(knowledge, kept)


def problem(text: str, label: str | None) -> str | None:
    """Why a row cannot be used, or None.

    >>> problem("", "gastroenteritis"), problem("Seen today.", None), problem("Seen today.", "gastroenteritis")
    ('text is empty', 'label is missing', None)
    """
    if not text.strip():
        return "text is empty"
    if sum(mark.isprintable() or mark.isspace() for mark in text) < 0.9 * len(text):
        return "text is not readable: binary data"
    if len(text) < SHORTEST:
        return f"text is shorter than {SHORTEST} characters"
    return None if label else "label is missing"


def _rows(knowledge: Knowledge, seed: int) -> Iterator[_Row]:
    """Rows without end: notes of one patient after another, with copies and unusable rows strewn in."""
    notes = _notes(knowledge, seed)
    written: list[_Row] = []
    for block in count():
        rng = random.Random(f"{seed} block {block}")  # noqa: S311
        origins = [origin for origin, times in BLOCK.items() for _ in range(times)]
        origins += ["new"] * (BLOCK_ROWS - len(origins) - 1)
        rng.shuffle(origins)
        for origin in ["new", *origins]:  # a block begins with a note, so that there is one to copy
            if origin == "exact":
                yield replace(rng.choice(written), origin=origin)
            elif origin == "near":
                yield replace(_nearly(rng.choice(written), knowledge, rng), origin=origin)
            elif origin == "broken":
                yield _broken(next(notes), block, rng)
            else:
                written.append(next(notes))
                yield written[-1]


def _notes(knowledge: Knowledge, seed: int) -> Iterator[_Row]:
    """Notes without end, all notes of a patient one after another, earliest first."""
    for number in count(1):
        rng = random.Random(f"{seed} patient {number}")  # noqa: S311
        patient = make_patient(knowledge, rng)
        diagnosis = knowledge.draw_diagnosis(rng, patient.sex, patient.age_band)
        for visit in make_visits(knowledge, patient, rng):
            if visit.day != patient.first_visit and rng.random() >= knowledge.same_diagnosis:
                diagnosis = knowledge.draw_diagnosis(rng, patient.sex, patient.age_band)
            states = knowledge.draw_states(rng, diagnosis)
            text, spans = write_note(knowledge, visit, states, rng)
            yield _Row(
                patient_id=f"P{number:05d}",
                note_date=visit.day.isoformat(),
                text=text,
                label=knowledge.draw_label(rng, diagnosis),
                sex=patient.sex,
                age_band=patient.age_band,
                ethnicity=patient.ethnicity,
                site=patient.site,
                gold_spans=spans,
                posterior=knowledge.observed(knowledge.posterior(patient.sex, patient.age_band, states)),
                diagnosis=diagnosis,
            )


def _nearly(row: _Row, knowledge: Knowledge, rng: random.Random) -> _Row:
    """A copy with a sentence added, or with one word misspelt; the spans stay where they are."""
    inside = [range(span["start"], span["end"]) for span in row.gold_spans]
    words = [match for match in LONG_WORD.finditer(row.text) if not any(match.start() in span for span in inside)]
    if not words or rng.random() < 0.5:
        added = rng.choice(knowledge.additions)
        return replace(row, text=row.text + (added.lower() if knowledge.sites[row.site].plain else added))
    word = rng.choice(words)
    return replace(row, text=row.text[: word.start()] + swap(word[0], rng) + row.text[word.end() :])


def _broken(row: _Row, block: int, rng: random.Random) -> _Row:
    """A row that cannot be used, in one of four ways, each block another."""
    garbage = "".join(chr(rng.randrange(1, 32)) for _ in range(200)) + "PK"
    ways = [replace(row, text=""), replace(row, label=None), replace(row, text=garbage), replace(row, text="n/a")]
    return replace(ways[block % len(ways)], gold_spans=[], origin="broken")


def _facts(knowledge: Knowledge, rows: list[_Row]) -> dict[str, float | int]:
    """Counts and shares of the records, and the accuracy that no classifier can beat."""
    best = [knowledge.labels[max(range(len(row.posterior)), key=row.posterior.__getitem__)] for row in rows]
    return {
        "patients": len({row.patient_id for row in rows}),
        "bayes_accuracy": sum(label == row.label for label, row in zip(best, rows, strict=True)) / len(rows),
        "bayes_expected_accuracy": math.fsum(max(row.posterior) for row in rows) / len(rows),
        "label_noise_share": sum(row.label != row.diagnosis for row in rows) / len(rows),
        "exact_duplicates": sum(row.origin == "exact" for row in rows),
        "near_duplicates": sum(row.origin == "near" for row in rows),
        "mean_characters": sum(len(row.text) for row in rows) / len(rows),
        "gold_spans": sum(len(row.gold_spans) for row in rows),
    }
