"""Lines that a template wrote, not a clinician: the same line in most notes of a corpus.

A line counts when it is long enough to be no heading. Counting is done shard by shard; what is rare in a shard is not
counted there, so that the table stays small whatever the size of the corpus.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import polars as pl

MIN_CHARACTERS = 20
SHARE = 0.5  # of all notes: what stands in more of them tells notes apart hardly at all
RARE_SHARE = 0.01  # of a shard's notes: lines in fewer are not counted there


def count_lines(notes: pl.DataFrame) -> pl.DataFrame:
    """How many notes of a shard have each long line: `line`, `notes`, without lines that are rare in it.

    >>> notes = pl.DataFrame({"text": ["Printed by the ward system\\nfever", "Printed by the ward system\\ncough"]})
    >>> count_lines(notes).rows()
    [('Printed by the ward system', 2)]
    """
    lines = notes.select(pl.col("text").str.split("\n").list.eval(pl.element().str.strip_chars()).list.unique().alias("line"))
    long = lines.explode("line").filter(pl.col("line").str.len_chars() >= MIN_CHARACTERS)
    counts = long.group_by("line").agg(pl.len().cast(pl.Int64).alias("notes"))
    return counts.filter(pl.col("notes") >= RARE_SHARE * notes.height).sort("line")


def find_boilerplate(counts: Iterable[Mapping[str, int]], notes: int) -> tuple[str, ...]:
    """The sorted lines that stand in more than SHARE of all `notes`. counts: of each shard, notes by line.

    >>> find_boilerplate([{"Printed by the ward system": 9, "Seen on the morning round": 2}], notes=10)
    ('Printed by the ward system',)
    """
    total: Counter[str] = Counter()
    for of_shard in counts:
        total.update(of_shard)
    return tuple(sorted(line for line, count in total.items() if count > SHARE * notes))


def drop_lines(notes: pl.DataFrame, lines: Collection[str]) -> pl.DataFrame:
    """The notes without these lines; the others stay as they are, but no blank lines pile up where one was.

    >>> drop_lines(pl.DataFrame({"text": ["Printed by the ward system\\nfever"]}), {"Printed by the ward system"}).item()
    'fever'
    """
    if not lines:
        return notes
    kept = pl.col("text").str.split("\n").list.eval(pl.element().filter(~pl.element().str.strip_chars().is_in(sorted(lines))))
    return notes.with_columns(kept.list.join("\n").str.replace_all(r"\n{3,}", "\n\n").str.strip_chars())
