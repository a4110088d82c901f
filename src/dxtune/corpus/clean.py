"""Texts without what a scanner, an export or an editor left in them: pure frame functions."""

import polars as pl

from dxtune import records


def clean(notes: pl.DataFrame) -> pl.DataFrame:
    r"""The same notes with clean texts: Unicode NFC, no control characters, single spaces, at most one blank line.

    Any kind of line or page break becomes a line feed; tabs stay, because they are the columns of a lab table.

    >>> clean(pl.DataFrame({"text": [" BP\u00a0 120/80\x07 \r\n\r\n\r\n\r\nna\u0131\u0308ve\tcafe\u0301 "]})).item()
    'BP 120/80\n\nnaı̈ve\tcafé'
    """
    return notes.with_columns(
        pl.col("text")
        .str.replace_all(r"\r\n|[\r\x0b\x0c\x{85}\x{2028}\x{2029}]", "\n")
        .str.replace_all(r"[\p{Cc}&&[^\n\t]]", "")
        .str.normalize("NFC")
        .str.replace_all(r"\p{Zs}+", " ")
        .str.replace_all(r"[ \t]+\n", "\n")
        .str.replace_all(r"\n{3,}", "\n\n")
        .str.strip_chars()
    )


def drop_short(notes: pl.DataFrame, min_characters: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Notes of at least `min_characters`, and the quarantine of the others (records.QUARANTINE).

    >>> kept, quarantine = drop_short(pl.DataFrame({"note_id": ["a", "b"], "text": ["fever", "x"]}), 3)
    >>> kept["note_id"].to_list(), quarantine.rows()
    (['a'], [('data/deidentified', 2, 'b', 'fewer than 3 characters')])
    """
    long_enough = pl.col("text").str.len_chars().fill_null(0) >= min_characters
    quarantine = notes.with_row_index("row", offset=1).filter(~long_enough)
    reason = f"fewer than {min_characters} characters"
    columns = [
        pl.lit("data/deidentified").alias("file"),
        pl.col("row").cast(pl.Int64),
        "note_id",
        pl.lit(reason).alias("reason"),
    ]
    return notes.filter(long_enough), quarantine.select(columns).cast(records.QUARANTINE)  # type: ignore[arg-type]
