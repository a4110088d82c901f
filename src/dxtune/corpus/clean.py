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
    made = _clean(notes)
    # a control character that is gone may have stood between two letters that are mojibake together
    again = (made["text"].str.contains(MOJIBAKE) & (made["text"] != notes["text"])).fill_null(False)
    if not again.any():
        return made
    rows = again.arg_true()
    return made.with_columns(made["text"].clone().scatter(rows, clean(made[rows])["text"]))


def _clean(notes: pl.DataFrame) -> pl.DataFrame:
    """The notes after one pass."""
    return drop_running_heads(repair_encoding(notes)).with_columns(
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


def drop_running_heads(notes: pl.DataFrame) -> pl.DataFrame:
    r"""The notes of several pages with the lines that begin or end each page once only; other notes as they are.

    Pages are told by form feeds and page numbers. A line goes where every page has it, at the same distance from its edge.

    >>> pages = "City Hospital\nHPI: cough\nnot signed\n\fCity Hospital\nPlan: rest\nnot signed\n"
    >>> drop_running_heads(pl.DataFrame({"text": [pages]})).item()
    'City Hospital\nHPI: cough\nnot signed\nPlan: rest'
    """
    marks = f"\f|{PAGE_NUMBER}"
    rows = notes["text"].str.contains(marks).fill_null(False).arg_true()
    if rows.is_empty():
        return notes
    texts = notes["text"].gather(rows)
    once = [_once(pages.split("\f")) or text for text, pages in zip(texts, texts.str.replace_all(marks, "\f"), strict=True)]
    return notes.with_columns(notes["text"].clone().scatter(rows, pl.Series(once, dtype=pl.String)))


def _once(pages: list[str]) -> str:
    """The pages one after another, later ones without the heads and feet that all have; empty where there are none."""
    lines = [page.strip("\r\n").splitlines() for page in pages if page.strip()]
    shortest = min((len(page) for page in lines), default=0) - 1  # a page is more than its edges
    head = foot = 0
    while head < shortest and len({page[head].strip() for page in lines}) == 1:
        head += 1
    while foot < shortest - head and len({page[-1 - foot].strip() for page in lines}) == 1:
        foot += 1
    if len(lines) < 2 or not head + foot:
        return ""
    later = [page[head : len(page) - foot] for page in lines[1:]]
    return "\n".join(line for page in [lines[0], *later] for line in page)


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
