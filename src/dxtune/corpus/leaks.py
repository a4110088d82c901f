"""Words that give the label away: where they stand, a model need not read the note."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
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
Ints = npt.NDArray[np.int64]


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
    notes = notes.sort("patient_id")  # so that a token's notes of one patient stand together below
    row, code, tokens = _said(notes["text"])
    patient = notes["patient_id"].rank("dense").to_numpy().astype(np.int64) - 1
    first = np.flatnonzero(np.diff(code, prepend=-1) | np.diff(patient[row], prepend=-1))
    repeats = np.diff(np.append(first, len(row)))
    weight = np.repeat(1.0 / repeats, repeats)
    patients = np.bincount(code[first], minlength=len(tokens))
    found, leaking = [], np.zeros(len(tokens), bool)
    for label in labels:
        has = notes["labels"].list.contains(label).to_numpy()
        prevalence = len(np.unique(patient[has])) / (patient[-1] + 1)
        hits = np.bincount(code, weights=weight * has[row], minlength=len(tokens))
        precision = hits / np.maximum(patients, 1)
        lower = wilson_lower(precision, patients)
        leaks = (patients >= MIN_PATIENTS) & (precision >= MIN_PRECISION) & (lower >= MIN_LOWER)
        leaks &= precision >= MIN_LIFT * prevalence
        leaking |= leaks
        for at in np.flatnonzero(leaks):
            figures = (float(precision[at]), float(lower[at]), float(precision[at] / prevalence))
            found.append((tokens[int(at)], label, int(patients[at]), *(round(value, 4) for value in figures)))
    table = pl.DataFrame(found, schema=SCHEMA, orient="row").sort("patients", "token", "label", descending=[True, False, False])
    return table, round(len(np.unique(row[leaking[code]])) / notes.height, 6)


def _said(texts: pl.Series) -> tuple[Ints, Ints, pl.Series]:
    """Which text says which word or pair of words: text and token by number, once each, by token; and all tokens' names.

    Tokens in fewer than MIN_PATIENTS texts are left out: that few patients can have them, and they are most of all.
    """
    words = split_words(texts).to_frame("word").with_row_index("row").explode("word").drop_nulls()
    often = words["word"].value_counts().filter(pl.col("count") >= MIN_PATIENTS)["word"].sort()
    number = words["word"].cast(pl.Enum(often), strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    row, size = words["row"].to_numpy().astype(np.int64), len(often) + 1
    pair = (row[1:] == row[:-1]) & (number[1:] >= 0) & (number[:-1] >= 0)
    ones, twos = number >= 0, np.flatnonzero(pair)
    token = np.concatenate(
        [number[ones] * size, number[twos] * size + number[twos + 1] + 1]
    )  # a word, or the pair with the next
    key = np.sort(token * texts.len() + np.concatenate([row[ones], row[twos]]))
    key = key[np.diff(key, prepend=-1) > 0]
    token, row = np.divmod(key, max(texts.len(), 1))
    first = np.flatnonzero(np.diff(token, prepend=-1))
    count = np.diff(np.append(first, len(token)))
    kept = count >= MIN_PATIENTS
    word, after = np.divmod(token[first[kept]], size)
    names = often.gather(word) + pl.concat([pl.Series([""]), " " + often]).gather(after)
    return row[np.repeat(kept, count)], np.repeat(np.arange(int(kept.sum())), count[kept]), names


def split_words(texts: pl.Series) -> pl.Series:
    """The words of each text, in small letters: no numbers, no single letters.

    >>> split_words(pl.Series(["BP 120/80, no edema"])).to_list()
    [['bp', 'no', 'edema']]
    """
    return texts.str.to_lowercase().str.extract_all(WORD)


def wilson_lower(share: np.ndarray, count: np.ndarray | Sequence[int], z: float = 1.959964) -> np.ndarray:
    """The lower end of Wilson's 95 % interval of a share out of `count` (Wilson 1927).

    >>> wilson_lower(np.array([1.0]), [35]).round(3).tolist()
    [0.901]
    """
    n = np.maximum(np.asarray(count, float), 1.0)
    middle = share + z**2 / (2 * n)
    margin = z * np.sqrt(np.maximum(share * (1 - share), 0) / n + z**2 / (4 * n**2))
    return np.asarray((middle - margin) / (1 + z**2 / n))
