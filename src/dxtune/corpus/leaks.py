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
WORD = r"(?u)\b[^\W\d_]\w+\b"
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
    from sklearn.feature_extraction.text import CountVectorizer

    labels = notes["labels"].explode().drop_nulls().unique().sort().to_list()
    if notes["patient_id"].n_unique() < MIN_PATIENTS or len(labels) < 2:
        return pl.DataFrame(schema=SCHEMA), 0.0
    words = CountVectorizer(binary=True, ngram_range=(1, 2), min_df=MIN_PATIENTS, token_pattern=WORD)
    try:
        matrix = words.fit_transform(notes["text"].to_list()).tocoo()
    except ValueError:  # no word is in so many notes
        return pl.DataFrame(schema=SCHEMA), 0.0
    tokens = words.get_feature_names_out()
    patient = notes["patient_id"].rank("dense").to_numpy().astype(np.int64) - 1
    keys = patient[matrix.row] * len(tokens) + matrix.col
    pairs, inverse, repeats = np.unique(keys, return_inverse=True, return_counts=True)
    patients = np.bincount(pairs % len(tokens), minlength=len(tokens))
    weight = 1.0 / repeats[inverse]
    found = []
    for label in labels:
        has = notes["labels"].list.contains(label).to_numpy()
        prevalence = len(np.unique(patient[has])) / len(np.unique(patient))
        hits = np.bincount(matrix.col, weights=weight * has[matrix.row], minlength=len(tokens))
        precision = hits / patients
        lower = wilson_lower(precision, patients)
        leaks = (patients >= MIN_PATIENTS) & (precision >= MIN_PRECISION) & (lower >= MIN_LOWER)
        for at in np.flatnonzero(leaks & (precision >= MIN_LIFT * prevalence)):
            figures = (float(precision[at]), float(lower[at]), float(precision[at] / prevalence))
            found.append((str(tokens[at]), label, int(patients[at]), *(round(value, 4) for value in figures)))
    table = pl.DataFrame(found, schema=SCHEMA, orient="row").sort("patients", "token", "label", descending=[True, False, False])
    leaking = np.isin(tokens[matrix.col], table["token"].to_numpy()) if table.height else np.zeros(len(matrix.col), bool)
    return table, round(len(np.unique(matrix.row[leaking])) / notes.height, 6)


def wilson_lower(share: np.ndarray, count: np.ndarray | Sequence[int], z: float = 1.959964) -> np.ndarray:
    """The lower end of Wilson's 95 % interval of a share out of `count` (Wilson 1927).

    >>> wilson_lower(np.array([1.0]), [35]).round(3).tolist()
    [0.901]
    """
    n = np.maximum(np.asarray(count, float), 1.0)
    middle = share + z**2 / (2 * n)
    margin = z * np.sqrt(np.maximum(share * (1 - share), 0) / n + z**2 / (4 * n**2))
    return np.asarray((middle - margin) / (1 + z**2 / n))
