"""Sections of a note, told by their header lines: so that one which states the diagnosis can be left out."""

from collections.abc import Collection

import polars as pl

from dxtune.errors import ParamsError

# section -> headers, in lower case. From headers in common use in admission and discharge notes (HL7 C-CDA, LOINC names).
SECTIONS = {
    "complaint": ("chief complaint", "cc", "presenting complaint", "reason for admission", "reason for visit", "complaint",
                  "reason for consultation", "reason for consult"),
    "history": ("history of present illness", "hpi", "history of presenting illness", "history of the present illness",
                "present illness", "history", "interval history", "subjective", "s"),
    "past history": ("past medical history", "pmh", "pmhx", "past medical and surgical history", "past surgical history",
                     "psh", "past history", "medical history", "surgical history", "background"),
    "family history": ("family history", "fh", "fhx", "family medical history"),
    "social history": ("social history", "sh", "shx", "social", "habits"),
    "review of systems": ("review of systems", "ros"),
    "allergies": ("allergies", "allergy", "adverse reactions", "allergies and adverse reactions", "drug allergies"),
    "medication": ("medications", "medication", "meds", "current medications", "home medications", "medications on admission",
                   "discharge medications", "medications on discharge", "admission medications"),
    "exam": ("physical exam", "physical examination", "examination", "exam", "pe", "on examination", "o/e", "objective", "o",
             "vital signs", "vitals", "admission physical exam", "discharge physical exam", "findings"),
    "labs": ("laboratory data", "laboratory results", "labs", "laboratory", "pertinent results", "results", "lab results",
             "admission labs", "discharge labs", "investigations", "data"),
    "imaging": ("imaging", "radiology", "studies", "diagnostic studies", "chest x-ray", "cxr", "ekg", "ecg"),
    "procedures": ("procedures", "procedure", "major surgical or invasive procedure", "operations", "operation performed"),
    "hospital course": ("hospital course", "brief hospital course", "course", "clinical course", "summary of hospital course",
                        "emergency department course", "ed course"),
    "assessment": ("assessment", "impression", "assessment and plan", "assessment/plan", "a/p", "a&p", "a", "ap",
                   "clinical impression", "opinion", "conclusion", "summary", "impression and plan"),
    "diagnosis": ("diagnosis", "diagnoses", "discharge diagnosis", "discharge diagnoses", "final diagnosis", "dx",
                  "final diagnoses", "admission diagnosis", "admitting diagnosis", "primary diagnosis", "principal diagnosis",
                  "secondary diagnoses", "working diagnosis", "differential diagnosis", "preoperative diagnosis",
                  "postoperative diagnosis"),
    "plan": ("plan", "p", "recommendations", "treatment", "treatment plan", "disposition", "plan of care"),
    "follow-up": ("follow-up", "follow up", "followup", "followup instructions", "discharge instructions", "instructions",
                  "discharge disposition", "discharge condition"),
}  # fmt: skip
HEADERS = {header: section for section, headers in SECTIONS.items() for header in headers}
# `HPI: three days of ...`, `- Findings: ...`, `## ASSESSMENT` alone, `Brief Hospital Course:`
NAMED = r"^[ \t#*•\-\d.)]*([A-Za-z][A-Za-z&/'\- ]{0,48}?)[ \t*]*(?::|$)"


def split_sections(notes: pl.DataFrame) -> pl.DataFrame:
    r"""One row a line: `at` (the note's position), `line`, and its `section` (null before the first header).

    Only a known header ends a section: a plan by problems (`# Pneumonia:`) is full of lines that look like headers, and what
    is left out because it gives the diagnosis away must be left out whole.

    >>> notes = pl.DataFrame({"text": ["Seen today\nHPI: cough\nfor a week\nIMPRESSION:\npneumonia"]})
    >>> split_sections(notes)["section"].to_list()
    [None, 'history', 'history', 'assessment', 'assessment']
    """
    lines = notes.with_row_index("at").select("at", pl.col("text").str.split("\n").alias("line")).explode("line")
    header = pl.col("line").str.extract(NAMED).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    named = header.replace_strict(HEADERS, default=None, return_dtype=pl.String)
    return lines.with_columns(named.forward_fill().over("at").alias("section"))


def drop_sections(notes: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    r"""The notes without the sections of these names, header and all; a text may be empty afterwards.

    Raises ParamsError for a name that is not in SECTIONS.

    >>> notes = pl.DataFrame({"text": ["HPI: cough\nA/P:\n# Pneumonia: amoxicillin\nFollow-up: one week"]})
    >>> drop_sections(notes, ["assessment"]).item()
    'HPI: cough\nFollow-up: one week'
    """
    if not names:
        return notes
    if unknown := sorted(set(names) - set(SECTIONS)):
        raise ParamsError(
            f"preprocess.drop_sections: expected names of {', '.join(SECTIONS)}; found {', '.join(unknown)}: correct it"
        )
    lines = split_sections(notes).filter(~pl.col("section").is_in(sorted(names)).fill_null(False))
    kept = lines.group_by("at", maintain_order=True).agg(pl.col("line").str.join("\n").str.strip_chars().alias("text"))
    every = notes.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("at"))
    texts = every.join(kept, on="at", how="left", maintain_order="left")["text"].fill_null("")
    return notes.with_columns(pl.when(pl.col("text").is_not_null()).then(texts).alias("text"))
