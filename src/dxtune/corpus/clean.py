"""Texts without what a scanner, an export or an editor left in them: pure frame functions, a row at a time."""

import polars as pl

from dxtune import records

# UTF-8 read as Latin-1 or Windows-1252: a lead byte that became a letter, before a continuation byte that became a sign.
MOJIBAKE = r"[ÂÃÐÑ][\x{80}-\x{BF}ŒœŠšŸŽžƒˆ˜‘’‚“”„†‡•…‰‹›€™–—]|â[\x{80}€][\x{80}-\x{BF}œžš™˜“”¦–—†‡•…‰‹›]"
PAGE_NUMBER = (
    r"(?mi)^[ \t]*(?:"
    r"[-–—|]*[ \t]*page[ \t]*:?[ \t]*\d{1,4}(?:[ \t]*(?:of|/)[ \t]*\d{1,4})?[ \t]*[-–—|]*"
    r"|[-–—][ \t]*\d{1,3}[ \t]*[-–—])[ \t]*(?:\n|\z)"
)


def clean(notes: pl.DataFrame) -> pl.DataFrame:
    r"""The same notes with clean texts: Unicode NFC, no mojibake, no control characters or page numbers, single spaces.

    Any kind of line or page break becomes a line feed, and there is at most one blank line; tabs stay, because they are the
    columns of a lab table.

    >>> clean(pl.DataFrame({"text": [" BP\u00a0 120/80\x07 \r\n\r\n\r\n\r\nna\u0131\u0308ve\tcafe\u0301 "]})).item()
    'BP 120/80\n\nnaı̈ve\tcafé'
    >>> clean(pl.DataFrame({"text": ["38Â °C, patientâ€™s\nPage 2 of 5\nwell"]})).item()
    '38 °C, patient’s\nwell'
    """
    return repair_encoding(notes).with_columns(
        pl.col("text")
        .str.replace_all(r"\r\n|[\r\x0b\x0c\x{85}\x{2028}\x{2029}]", "\n")
        .str.replace_all(r"[\p{Cc}&&[^\n\t]]", "")
        .str.normalize("NFC")
        .str.replace_all(r"\p{Zs}+", " ")
        .str.replace_all(PAGE_NUMBER, "")
        .str.replace_all(r"[ \t]+\n", "\n")
        .str.replace_all(r"\n{3,}", "\n\n")
        .str.strip_chars()
    )


def repair_encoding(notes: pl.DataFrame) -> pl.DataFrame:
    """The notes with texts in the encoding that they were written in; only those with a suspicious pair of letters are read.

    Uses ftfy (Speer 2019, doi:10.5281/zenodo.2591652): it changes a text only where that makes it plainly less strange.
    """
    suspicious = notes["text"].str.contains(MOJIBAKE).fill_null(False)
    if not suspicious.any():
        return notes
    from ftfy import fix_encoding

    rows = suspicious.arg_true()
    fixed = pl.Series([fix_encoding(text) for text in notes["text"].gather(rows)], dtype=pl.String)
    return notes.with_columns(notes["text"].clone().scatter(rows, fixed))


def drop_short(notes: pl.DataFrame, min_characters: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Notes of at least `min_characters`, and the quarantine of the others (records.QUARANTINE).

    `row` counts from 1 in the frame, or is the column `row` where there is one.

    >>> kept, quarantine = drop_short(pl.DataFrame({"note_id": ["a", "b"], "text": ["fever", "x"]}), 3)
    >>> kept["note_id"].to_list(), quarantine.rows()
    (['a'], [('data/deidentified', 2, 'b', 'fewer than 3 characters')])
    """
    long_enough = pl.col("text").str.len_chars().fill_null(0) >= min_characters
    counted = notes if "row" in notes.columns else notes.with_row_index("row", offset=1)
    columns = [
        pl.lit("data/deidentified").alias("file"),
        pl.col("row").cast(pl.Int64),
        "note_id",
        pl.lit(f"fewer than {min_characters} characters").alias("reason"),
    ]
    quarantine = counted.filter(~long_enough).select(columns)
    return notes.filter(long_enough), quarantine.cast(records.QUARANTINE)  # type: ignore[arg-type]
