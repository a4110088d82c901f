"""What a model must beat: a linear model on words, and no model at all.

Both are fitted on the training split and see what the language model sees. Probabilities are (notes, classes) in the order of
the label map; a class without a training note has probability 0.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from dxtune.evaluation.metrics import Floats, Labels


def tfidf(texts: Sequence[str], labels: Labels, test_texts: Sequence[str], classes: int, seed: int) -> Floats:
    """Probabilities of TF-IDF (words and pairs of words, 1 + log tf) with logistic regression.

    >>> tfidf(["hot fever", "dry cough"], np.array([0, 1]), ["a cough"], classes=3, seed=0).argmax(axis=1).tolist()
    [1]
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000, random_state=seed)
    )
    model.fit(texts, labels)
    probabilities = np.zeros((len(test_texts), classes))
    probabilities[:, model.classes_] = model.predict_proba(test_texts)
    return probabilities


def majority(labels: Labels, notes: int, classes: int) -> Floats:
    """The classes' shares of the training notes for every note: the most probable class is the most frequent one.

    >>> majority(np.array([0, 1, 1, 1]), notes=1, classes=2).tolist()
    [[0.25, 0.75]]
    """
    shares = np.bincount(labels, minlength=classes) / len(labels)
    return np.tile(shares, (notes, 1))
