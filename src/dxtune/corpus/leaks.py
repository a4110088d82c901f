"""Words that give the label away: where they stand, a model need not read the note."""

from collections.abc import Sequence

import numpy as np
import polars as pl

MIN_PATIENTS = 10  # fewer say nothing, and could be told apart
MIN_PRECISION = 0.98
MIN_LOWER = 0.9  # of the 95 % Wilson interval: 35 patients without an exception reach it
MIN_LIFT = 2.0  # times the label's own share
RULE = (
    f"a word or pair of words in the training notes of at least {MIN_PATIENTS} patients, of whom at least "
    f"{MIN_PRECISION:.0%} (Wilson 95 % lower bound {MIN_LOWER:.0%}) have the label, and {MIN_LIFT:.0f} times its share"
)
WORD = r"\b[^\W\d_]\w+\b"
SCHEMA = {"token": pl.String, "label": pl.String, "patients": pl.Int64, "precision": pl.Float64, "lower": pl.Float64,
          "lift": pl.Float64}  # fmt: skip


def find_leaks(notes: pl.DataFrame) -> tuple[pl.DataFrame, float]:
    """The leaking tokens (SCHEMA; the most patients first), and the share of the notes that have one.

    notes: `text`, `patient_id`, `labels`, of the training split. A token's patients count once each, however many notes they
    have; where a patient's notes with the token have several labels, each counts in proportion.

    >>> notes = pl.DataFrame({"patient_id": [f"p{i}" for i in range(80)], "labels": [["gout"], ["flu"]] * 40,
    ...                       "text": ["tophus seen", "fever seen"] * 40})
    >>> found, share = find_leaks(notes)
    >>> found.select("token", "label", "patients", "lift").rows()[:2], share
    ([('fever', 'flu', 40, 2.0), ('fever seen', 'flu', 40, 2.0)], 1.0)
    """
    labels = notes["labels"].explode().drop_nulls().unique().sort().to_list()
    if notes["patient_id"].n_unique() < MIN_PATIENTS or len(labels) < 2:
        return pl.DataFrame(schema=SCHEMA), 0.0
    said, words = _said(notes)
    patient = notes["patient_id"].rank("dense").to_numpy().astype(np.int64) - 1
    row, token = said["row"].to_numpy(), said["token"].to_numpy()
    codes, code = np.unique(token, return_inverse=True)
    _, inverse, repeats = np.unique(patient[row] * max(len(codes), 1) + code, return_inverse=True, return_counts=True)
    weight = 1.0 / repeats[inverse]
    patients = np.bincount(code, weights=weight, minlength=len(codes)).round().astype(np.int64)
    leaking = np.zeros(len(codes), bool)
    found = []
    for label in labels:
        has = notes["labels"].list.contains(label).to_numpy()
        prevalence = len(np.unique(patient[has])) / len(np.unique(patient))
        precision = np.bincount(code, weights=weight * has[row], minlength=len(codes)) / patients
        lower = wilson_lower(precision, patients)
        leaks = (precision >= MIN_PRECISION) & (lower >= MIN_LOWER) & (precision >= MIN_LIFT * prevalence)
        leaking |= leaks
        for at in np.flatnonzero(leaks):
            figures = (float(precision[at]), float(lower[at]), float(precision[at] / prevalence))
            found.append((_name(codes[at], words), label, int(patients[at]), *(round(value, 4) for value in figures)))
    table = pl.DataFrame(found, schema=SCHEMA, orient="row").sort("patients", "token", "label", descending=[True, False, False])
    return table, round(len(np.unique(row[leaking[code]])) / notes.height, 6)


def _said(notes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Which words and pairs of words stand in which notes: `row`, `token` (a hash), once each, those of MIN_PATIENTS or more.

    And all words in their order: `row`, `word`, `token`, `pair` (the hash of the word and the one after it).
    """
    each = pl.col("text").str.to_lowercase().str.extract_all(WORD).alias("word")
    words = notes.select(each).with_row_index("row").explode("word").drop_nulls()
    words = words.with_columns(token=pl.col("word").hash(0))
    follows = pl.col("row") == pl.col("row").shift(-1)
    both = pl.struct("token", pl.col("token").shift(-1).alias("next")).hash(1)
    words = words.with_columns(pair=pl.when(follows).then(both))
    pairs = words.select("row", pl.col("pair").alias("token")).drop_nulls()
    said = pl.concat([words.select("row", "token"), pairs]).unique()
    patient = said.join(notes.select("patient_id").with_row_index("row"), on="row").select("token", "patient_id").unique()
    often = patient.group_by("token").len().filter(pl.col("len") >= MIN_PATIENTS)
    return said.join(often, on="token", how="semi").sort("row", "token"), words


def _name(token: np.uint64, words: pl.DataFrame) -> str:
    """The word, or the pair of words, of a hash."""
    at = words.select((pl.col("token") == token) | (pl.col("pair") == token)).to_series().fill_null(False).arg_max()
    assert at is not None
    return str(words["word"][at]) if words["token"][at] == token else f"{words['word'][at]} {words['word'][at + 1]}"


def wilson_lower(share: np.ndarray, count: np.ndarray | Sequence[int], z: float = 1.959964) -> np.ndarray:
    """The lower end of Wilson's 95 % interval of a share out of `count` (Wilson 1927).

    >>> wilson_lower(np.array([1.0]), [35]).round(3).tolist()
    [0.901]
    """
    n = np.maximum(np.asarray(count, float), 1.0)
    middle = share + z**2 / (2 * n)
    margin = z * np.sqrt(np.maximum(share * (1 - share), 0) / n + z**2 / (4 * n**2))
    return np.asarray((middle - margin) / (1 + z**2 / n))
