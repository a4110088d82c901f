"""What a model must beat: a linear model on words, and no model at all.

Both are fitted on the training split and see what the language model sees. Probabilities are (notes, classes) in the order of
the label map; a class without a training note has probability 0.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from dxtune.evaluation.metrics import Floats, Labels
from dxtune.evaluation.multilabel import Matrix


def texts(notes: pl.DataFrame) -> list[str]:
    """What a linear model reads of each note: its question, where there is one, and its text."""
    if "question" not in notes.columns:
        return notes["text"].to_list()
    return notes.select(pl.concat_str(pl.col("question").fill_null(""), "text", separator="\n")).to_series().to_list()


def tfidf(texts: Sequence[str], labels: Labels, test_texts: Sequence[str], classes: int) -> Floats:
    """Probabilities of TF-IDF (words and pairs of words, 1 + log tf) with logistic regression.

    >>> tfidf(["hot fever", "dry cough"], np.array([0, 1]), ["a cough"], classes=3).argmax(axis=1).tolist()
    [1]
    """
    model = make_pipeline(_vectorizer(), _regression())
    model.fit(texts, labels)
    probabilities = np.zeros((len(test_texts), classes))
    probabilities[:, model.classes_] = model.predict_proba(test_texts)
    return probabilities


def tfidf_labels(texts: Sequence[str], truth: Matrix, others: Sequence[Sequence[str]]) -> list[Floats]:
    """Probabilities of every label on its own, of the same linear model, for each list of other texts.

    A label that all training notes have, or none, has the probability 1 or 0.
    """
    vectorizer = _vectorizer()
    seen = vectorizer.fit_transform(texts)
    vectors = [vectorizer.transform(list(some)) for some in others]
    made = [np.tile(truth.mean(axis=0), (len(some), 1)) for some in others]
    for index, column in enumerate(truth.T):
        if 0 < column.sum() < len(column):
            model = _regression().fit(seen, column)
            for probabilities, features in zip(made, vectors, strict=True):
                probabilities[:, index] = model.predict_proba(features)[:, 1]
    return made


def majority(labels: Labels, notes: int, classes: int) -> Floats:
    """The classes' shares of the training notes for every note: the most probable class is the most frequent one.

    >>> majority(np.array([0, 1, 1, 1]), notes=1, classes=2).tolist()
    [[0.25, 0.75]]
    """
    shares = np.bincount(labels, minlength=classes) / len(labels)
    return np.tile(shares, (notes, 1))


def _vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=10, max_iter=1000)
