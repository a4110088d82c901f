"""Notes whose label is likely wrong: listed for a person to read, never changed.

Confident learning (Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125) as cleanlab has it, from probabilities of a
TF-IDF model that has not read the note's patient.
"""

import polars as pl

from dxtune.errors import DataError

FOLDS = 5
SCHEMA = {"note_id": pl.String, "label": pl.String, "likely_label": pl.String, "confidence": pl.Float64}


def find_label_errors(notes: pl.DataFrame) -> pl.DataFrame:
    """The notes whose label is likely wrong (SCHEMA), the surest first; `confidence`: probability of the likely label.

    notes: `note_id`, `patient_id`, `text`, `labels` (one each), of the training split. Raises DataError where cleanlab is not
    installed, where notes have several labels, or where there are too few patients to leave some out.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        raise DataError(
            "preprocess.find_label_errors needs cleanlab, which is not installed: pip install 'dxtune[quality]', "
            "or set it to false"
        ) from None
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    if notes["labels"].list.len().ne(1).any():
        raise DataError("preprocess.find_label_errors reads notes with one label each: set it to false for this task")
    names = notes["labels"].explode().unique().sort()
    truth = notes["labels"].list.first().cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy()
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=50_000), LogisticRegression(C=10.0))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    groups = notes["patient_id"].to_numpy()
    patients = notes.group_by(pl.col("labels").list.first()).agg(pl.col("patient_id").n_unique())
    if names.len() < 2 or (patients["patient_id"] < FOLDS).any():
        raise DataError(
            f"preprocess.find_label_errors needs two labels with {FOLDS} training patients each: set it to false, "
            "or preprocess.rare_labels to other"
        )
    probabilities = cross_val_predict(
        model, notes["text"].to_numpy(), truth, groups=groups, cv=folds, method="predict_proba", n_jobs=1
    )
    wrong = find_label_issues(truth, probabilities, n_jobs=1)
    likely = probabilities.argmax(axis=1)
    table = notes.select("note_id", pl.col("labels").list.first().alias("label")).with_columns(
        pl.Series("likely_label", [names[int(at)] for at in likely], dtype=pl.String),
        pl.Series("confidence", probabilities.max(axis=1).round(4)),
    )
    listed = table.filter(pl.Series(wrong) & (pl.col("label") != pl.col("likely_label")))
    return listed.sort("confidence", "note_id", descending=[True, False])
