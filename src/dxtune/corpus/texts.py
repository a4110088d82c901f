"""The texts that a model sees: what preprocess makes of every note, and a Predictor of every note that it is asked about."""

from collections.abc import Collection

import polars as pl

from dxtune.corpus.boilerplate import drop_lines
from dxtune.corpus.clean import clean
from dxtune.corpus.sections import drop_sections as without_sections


def make_texts(notes: pl.DataFrame, boilerplate: Collection[str], drop_sections: Collection[str]) -> pl.DataFrame:
    r"""The same notes with clean texts, without these lines of boilerplate and without these sections.

    boilerplate and drop_sections are what data/processed/cleaning.json holds, and what a model keeps as its `cleaning`.

    >>> notes = pl.DataFrame({"text": ["Printed by the ward system\nHPI:  cough\nA/P:\npneumonia"]})
    >>> make_texts(notes, ["Printed by the ward system"], ["assessment"]).item()
    'HPI: cough'
    """
    return without_sections(drop_lines(clean(notes), boilerplate), drop_sections)
