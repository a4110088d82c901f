"""ICD chapters: the same 22 names for ICD-9-CM and ICD-10-CM codes, so that stays coded in either can be compared.

Ranges: ICD-10-CM Official Guidelines, Tabular List of Diseases (CDC/NCHS, chapters 1 to 22), and ICD-9-CM, Volume 1 (CDC/NCHS,
chapters 1 to 17 and the supplementary V and E codes). ICD-9-CM has one chapter for the nervous system and the sense organs
(320-389): it is divided as ICD-10-CM divides it. What the two classify differently (279, disorders of immunity, is
`endocrine` in ICD-9-CM, D80-D89 is `blood` in ICD-10-CM) stays where its own version has it.
"""

import polars as pl

# chapter, first and last category of ICD-9-CM, first and last of ICD-10-CM (the first three characters of a code)
CHAPTERS: tuple[tuple[str, tuple[str, str] | None, tuple[str, str]], ...] = (
    ("infectious", ("001", "139"), ("A00", "B99")),
    ("neoplasms", ("140", "239"), ("C00", "D49")),
    ("blood", ("280", "289"), ("D50", "D89")),
    ("endocrine", ("240", "279"), ("E00", "E89")),
    ("mental", ("290", "319"), ("F01", "F99")),
    ("nervous", ("320", "359"), ("G00", "G99")),
    ("eye", ("360", "379"), ("H00", "H59")),
    ("ear", ("380", "389"), ("H60", "H95")),
    ("circulatory", ("390", "459"), ("I00", "I99")),
    ("respiratory", ("460", "519"), ("J00", "J99")),
    ("digestive", ("520", "579"), ("K00", "K95")),
    ("skin", ("680", "709"), ("L00", "L99")),
    ("musculoskeletal", ("710", "739"), ("M00", "M99")),
    ("genitourinary", ("580", "629"), ("N00", "N99")),
    ("pregnancy", ("630", "679"), ("O00", "O9A")),
    ("perinatal", ("760", "779"), ("P00", "P96")),
    ("congenital", ("740", "759"), ("Q00", "Q99")),
    ("symptoms", ("780", "799"), ("R00", "R99")),
    ("injury", ("800", "999"), ("S00", "T88")),
    ("external", ("E00", "E99"), ("V00", "Y99")),
    ("factors", ("V01", "V91"), ("Z00", "Z99")),
    ("special", None, ("U00", "U85")),
)


def normal(code: pl.Expr) -> pl.Expr:
    """Codes as MIMIC writes them: capitals, no dot, no blanks; null where nothing is left.

    >>> pl.DataFrame({"code": ["428.0 ", "v1046", " "]}).select(normal(pl.col("code"))).to_series().to_list()
    ['4280', 'V1046', None]
    """
    clean = code.str.strip_chars().str.replace_all(".", "", literal=True).str.to_uppercase()
    return pl.when(clean != "").then(clean)


def chapter(code: pl.Expr, version: pl.Expr) -> pl.Expr:
    """The chapter of each normal code, null where it is in none; `version` is the string 9 or 10.

    >>> codes = pl.DataFrame({"code": ["4280", "V1046", "E8798", "I509", "E119", "H6690"], "version": [*"999", *["10"] * 3]})
    >>> codes.select(chapter(pl.col("code"), pl.col("version"))).to_series().to_list()
    ['circulatory', 'factors', 'external', 'circulatory', 'endocrine', 'ear']
    """
    category = code.str.slice(0, 3)
    cases = [
        pl.when((version == number) & category.is_between(pl.lit(ends[0]), pl.lit(ends[1]))).then(pl.lit(name))
        for name, nine, ten in CHAPTERS
        for number, ends in (("9", nine), ("10", ten))
        if ends is not None
    ]
    return pl.coalesce(cases)
