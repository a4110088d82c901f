"""De-identification shard by shard: find, carry, replace. Functions for map_shards; each note comes out as from one batch.

find_shard looks at the notes of a shard by themselves, carry_shard once more at those whose patients have names elsewhere that
they may hold, replace_shard writes and scans what it wrote. Until a text is final none is kept: the first two give offsets and
keyed hashes alone.
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from dxtune import records
from dxtune.deid import audit
from dxtune.deid import surrogate_names as pools
from dxtune.deid.carried import FIRST, Shared
from dxtune.deid.deidentifier import Deidentified, Deidentifier
from dxtune.deid.fields import Write, as_documents, write_fields
from dxtune.deid.spans import Span, replace
from dxtune.deid.surrogates import Surrogates, words_of
from dxtune.deid.vote import load_voter
from dxtune.errors import LeakageError
from dxtune.shards import Result

POOL = frozenset([*pools.INVENTED, *(word for pool in pools.POOLS.values() for word in pool)])
"""The words that surrogates are drawn from."""


class How(NamedTuple):
    """What the result depends on besides the notes. root: from where vote_model is seen, if it is a folder."""

    key: bytes
    style: Literal["placeholder", "surrogate"]
    dates: Literal["year", "shift"]
    vote: Literal["none", "spacy", "transformers"]
    vote_model: str | None
    vote_revision: str | None
    root: str
    identifier_columns: tuple[str, ...]
    subgroup_columns: tuple[str, ...]
    task: str


@lru_cache(maxsize=1)  # a worker loads the voter once
def make_engine(how: How) -> Deidentifier:
    """The de-identifier of these settings."""
    voter = None
    if how.vote != "none":
        voter = load_voter(how.vote, how.vote_model or "", how.vote_revision, Path(how.root))
    return Deidentifier(how.key, how.style, how.dates, voter)


def find_shard(how: How, raw: pl.DataFrame) -> Result:
    """What is to be masked in a shard's notes: `audit` (records.AUDIT), what it shares with others (carried), and facts.

    `names` of the first look, `late` ones of later looks, the words `asked` about, and `patient`, the tags of its `patients`.

    Facts: `counts` (audit.tally); `taken`: keyed hashes of the words of POOL that stand in identifiers.
    """
    raw = as_documents(raw)
    found, table, shared, taken = _look(how, raw, None)
    counts = audit.tally(raw["text"].to_list(), found.spans, _gold(raw))
    names, patients = shared.names(), {make_engine(how).patient_tag(value) for value in raw["patient_id"].unique()}
    tables = {"audit": table, "names": names.filter(FIRST), "late": names.filter(~FIRST), "asked": shared.asked()}
    tables["patients"] = pl.DataFrame({"patient": sorted(patients)}, schema={"patient": pl.UInt64})
    return Result(tables, {"counts": counts, "taken": taken})


def carry_shard(
    how: How, raw: pl.DataFrame, table: pl.DataFrame, late: pl.DataFrame, answers: pl.DataFrame, spread: pl.DataFrame
) -> Result:
    """The `audit` and `late` of find_shard, once the names from other shards were masked too, in the notes of their patients.

    answers, spread: these names, of the first look and of later ones (exchange).

    Facts: `before` and `after`, the counts of these notes without and with them; `taken` of these notes.
    """
    engine, raw, foreign = make_engine(how), as_documents(raw), pl.concat([answers, spread])
    patient = pl.Series([engine.patient_tag(value) for value in raw["patient_id"]], dtype=pl.UInt64)
    rows = np.isin(patient.to_numpy(), foreign["patient"].to_numpy())
    some = raw.filter(pl.Series(rows))
    texts, gold = some["text"].to_list(), _gold(some)
    before = audit.tally(texts, spans_of(engine, some, table), gold)
    found, new, shared, taken = _look(how, some, foreign)
    order = {engine.pseudonym("note", value): row for row, value in enumerate(raw["note_id"])}
    again = new.with_columns(row=pl.col("note_id").replace_strict(order, return_dtype=pl.Int64))
    old = table.with_columns(row=pl.col("note_id").replace_strict(order, return_dtype=pl.Int64))
    old = old.filter(~pl.Series(rows[old["row"].to_numpy()], dtype=pl.Boolean))
    merged = pl.concat([old, again]).sort("row", maintain_order=True).drop("row")
    looked_at = np.isin(late["patient"].to_numpy(), patient.filter(pl.Series(rows)).to_numpy())
    late = pl.concat([late.filter(~pl.Series(looked_at, dtype=pl.Boolean)), shared.names().filter(~FIRST)]).sort(*late.columns)
    after = audit.tally(texts, found.spans, gold)
    facts = {"before": before, "after": after, "taken": taken}
    return Result({"audit": merged, "late": late}, facts)


def replace_shard(how: How, taken: frozenset[str], raw: pl.DataFrame, table: pl.DataFrame) -> Result:
    """The `records` of a shard without identifiers: records.deidentified, a question, subgroups, `posterior`.

    taken: of surrogates, the `taken` of all shards. No made-up name or place is a word of an identifier of the corpus, and no
    made-up code stands for another identifier of the same note. Raises LeakageError where a value is left.
    """
    engine, documents = make_engine(how), as_documents(raw)
    texts, spans = documents["text"].to_list(), spans_of(engine, raw, table)
    writers: list[Write] = [replace] * raw.height
    if how.style == "surrogate":
        words = frozenset(word for word in POOL if engine.digest("word", word) in taken)
        surrogates = Surrogates(how.key, how.dates, words)
        for row, (text, some, patient) in enumerate(zip(texts, spans, raw["patient_id"], strict=True)):
            writers[row] = partial(surrogates.replace, patient=patient)
            if audit.structured_left(text, some, writers[row](text, some)):  # by chance: drawn again, and for itself
                own = words_of(text[start:end] for start, end, _ in some)
                writers[row] = partial(Surrogates(how.key, how.dates, words | own).replace, patient=patient)
    clean = [write(text, some) for write, text, some in zip(writers, texts, spans, strict=True)]
    _check(how, documents, Deidentified(clean, spans, []))
    return Result({"records": pseudonymous(raw, write_fields(raw, spans, writers), how)}, {})


def pseudonymous(raw: pl.DataFrame, clean: dict[str, list[Any]], how: How) -> pl.DataFrame:
    """The records with clean texts, pseudonyms for record numbers, and the year of each date; no unknown column."""
    engine, columns = make_engine(how), records.deidentified(how.task)
    year = pl.col("note_date").str.slice(0, 4)
    frame = raw.with_columns(
        *(pl.Series(name, values, dtype=raw.schema[name]) for name, values in clean.items()),
        pl.Series("note_id", [engine.pseudonym("note", value) for value in raw["note_id"]], dtype=pl.String),
        pl.Series("patient_id", [engine.pseudonym("patient", value) for value in raw["patient_id"]], dtype=pl.String),
        pl.when(year.str.contains(r"^\d{4}$")).then(year).alias("note_year"),
    )
    extra = [name for name in ("question", *how.subgroup_columns, "posterior") if name in frame.columns and name not in columns]
    return records.check(frame, columns, "data/deidentified").select(*columns, *extra)


def spans_of(engine: Deidentifier, raw: pl.DataFrame, table: pl.DataFrame) -> list[list[Span]]:
    """The spans of each note, as the audit table has them."""
    spans: dict[str, list[Span]] = {engine.pseudonym("note", value): [] for value in raw["note_id"]}
    columns = [table[name].to_list() for name in ("note_id", "start", "end", "type")]
    for note, start, end, kind in zip(*columns, strict=True):
        if note in spans:
            spans[note].append(Span(start, end, kind))
    return list(spans.values())


def _look(how: How, raw: pl.DataFrame, foreign: pl.DataFrame | None) -> tuple[Deidentified, pl.DataFrame, Shared, list[str]]:
    """What is found in some notes, its audit table, the names that they share, and the hashes of the words of POOL in it."""
    engine, shared = make_engine(how), Shared(how.key, foreign)
    texts, patients, known = raw["text"].to_list(), raw["patient_id"].to_list(), _known(how, raw)
    taken: list[str] = []
    if engine.voter is not None and how.style == "placeholder":  # asked again until nothing more is found
        found = engine.examine(texts, patients, known, shared)
    else:
        found = Deidentified([], *engine.find(texts, patients, known, shared))
    if how.style == "surrogate":
        inside = words_of(text[a:b] for text, some in zip(texts, found.spans, strict=True) for a, b, _ in some)
        taken = sorted(engine.digest("word", word) for word in inside & POOL)
    names = [engine.pseudonym("note", value) for value in raw["note_id"]]
    return found, audit.table(names, texts, found, engine), shared, taken


def _check(how: How, raw: pl.DataFrame, done: Deidentified) -> None:
    engine = make_engine(how)
    names = [engine.pseudonym("note", value) for value in raw["note_id"]]
    if left := audit.leaks(names, raw["text"].to_list(), done, _known(how, raw), engine):
        some = "; ".join(f"{note} ({', '.join(kinds)})" for note, kinds in left[:5])
        raise LeakageError(f"{len(left)} notes still hold identifiers: {some}. Nothing was written: report this as a bug")


def _known(how: How, raw: pl.DataFrame) -> list[str] | None:
    """Of each note the identifiers in its structured columns, a line each."""
    if not how.identifier_columns:
        return None
    joined = pl.concat_str(pl.col(how.identifier_columns), separator="\n", ignore_nulls=True)
    return raw.select(joined).to_series().to_list()


def _gold(raw: pl.DataFrame) -> list[audit.Gold | None] | None:
    return raw["gold_spans"].to_list() if "gold_spans" in raw.columns else None
