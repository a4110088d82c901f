"""All figures of metrics/evaluate.json of question answering; the counterpart of `assessment.py`."""

import re
from collections.abc import Mapping

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer

from dxtune.evaluation import weighted
from dxtune.evaluation.answers import exact, normalise, token_f1
from dxtune.evaluation.assessment import Figures, Tables, sizes, tidy
from dxtune.evaluation.bootstrap import bootstrap, with_interval
from dxtune.evaluation.checks import join_predictions
from dxtune.evaluation.curves import no_curves
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.subgroups import assess_groups, by_group, find_groups, of_rows, worst_gap
from dxtune.evaluation.unlike import FAR
from dxtune.params import Params
from dxtune.records import SMALLEST_GROUP

SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
METRICS = {"exact_match": exact, "token_f1": token_f1}


def measure(
    notes: Mapping[str, pl.DataFrame], predictions: pl.DataFrame, no_answer: float, params: Params
) -> tuple[Figures, Tables]:
    """The content of metrics/evaluate.json, and the tables of metrics/plots by name, from notes and their predictions.

    Under `test` exact match and token F1 with intervals, over all notes, over those with an answer (`answerable_`) and
    without (`unanswerable_`: the share of them that get none). The baseline gives the sentence most like the question.
    """
    from dxtune.evaluation.clinical_metric import measure as by_metric  # loads torch, through evaluate

    frames = {split: scored(join_predictions(notes[split], predictions, split), no_answer) for split in ("validation", "test")}
    test, settings, columns = frames["test"], params.evaluate, params.collect.subgroup_columns
    sentences = nearest_sentences(notes["train"], test)
    test = test.with_columns(
        pl.Series(f"tfidf_{name}", [measured(*pair) for pair in zip(test["answer"], sentences, strict=True)])
        for name, measured in METRICS.items()
    )
    rows = {"": pl.Series([True] * test.height), "answerable_": test["answer"] != "", "unanswerable_": test["answer"] == ""}
    groups = find_groups(test, columns)
    values = {name: test[name].to_numpy() for name in (*METRICS, *(f"tfidf_{name}" for name in METRICS))}
    parts = {f"{part}{name}": (values[name], mask.to_numpy()) for part, mask in rows.items() for name in METRICS}
    statistics = {name: _mean_of(*part) for name, part in parts.items()}
    statistics |= {name: weighted.mean(values[name]) for name in values if name.startswith("tfidf_")}
    statistics["unlike_share"] = weighted.mean((test["unlike"].to_numpy() > FAR).astype(np.float64))
    measure = weighted.together(statistics)
    shown = weighted.together({name: statistics[name] for name in ("token_f1", "exact_match")})
    of_groups = by_group(groups, of_rows(shown))

    def everything(weights: Floats) -> dict[str, Floats]:
        return {**measure(weights), **of_groups(weights)}

    drawn = bootstrap(everything, test["patient_id"].to_numpy(), settings.bootstrap_resamples)

    figures: Figures = {"resamples": settings.bootstrap_resamples, **sizes(test), "answerable": int(rows["answerable_"].sum())}
    for name, (scores, mask) in parts.items():
        some = test.filter(mask)["patient_id"].n_unique() >= SMALLEST_GROUP
        if some and name != "unanswerable_token_f1":  # it is the exact match
            figures |= with_interval(name, float(scores[mask].mean()), drawn[name])
    once = of_groups(np.ones((1, test.height)))
    figures["subgroups"], subgroups = assess_groups(groups, ("token_f1", "exact_match"), once, drawn)
    figures |= worst_gap(figures["subgroups"], "token_f1")  # type: ignore[arg-type]
    beside: Figures = {}
    for name in METRICS:
        rival, gain = f"tfidf_{name}", float((values[name] - values[f"tfidf_{name}"]).mean())
        beside |= with_interval(rival, float(values[rival].mean()), drawn[rival])
        beside |= with_interval(f"difference_{name}", gain, drawn[name] - drawn[rival])
        beside[f"majority_{name}"] = float((test["answer"] == "").mean())  # type: ignore[arg-type]
    validation = frames["validation"]
    known = by_metric("question-answering", validation["said"].to_list(), validation["answer"].to_list())
    strange = with_interval("unlike_share", float(measure(np.ones((1, test.height)))["unlike_share"][0]), drawn["unlike_share"])
    made: Figures = {"test": figures, "decision": strange, "baseline": beside, "validation": sizes(validation) | known}
    return tidy(made), no_curves() | {"subgroups": subgroups}


def scored(frame: pl.DataFrame, no_answer: float) -> pl.DataFrame:
    """The notes with the exact match and the token F1 of the answer that they were given, which is `said`, normalised.

    frame: notes with `text` and `answer`, and of the predictions `start`, `end` and `no_answer`.
    """
    given = frame.select("text", "start", "end", pl.col("no_answer") <= no_answer).iter_rows()
    said = [normalise(text[start:end]) if some else "" for text, start, end, some in given]
    return frame.with_columns(
        pl.Series("said", said, dtype=pl.String),
        *(
            pl.Series(name, [measured(*pair) for pair in zip(frame["answer"], said, strict=True)], dtype=pl.Float64)
            for name, measured in METRICS.items()
        ),
    )


def nearest_sentences(train: pl.DataFrame, notes: pl.DataFrame) -> list[str]:
    """Of each note the sentence most like its question, by the cosine of TF-IDF over words of the training notes."""
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(train["text"].to_list() + train["question"].fill_null("").to_list())
    found = []
    for text, question in notes.select("text", pl.col("question").fill_null("")).iter_rows():
        sentences = [match[0].strip() for match in SENTENCE.finditer(text)] or [text]
        likeness = (vectorizer.transform(sentences) @ vectorizer.transform([question]).T).toarray().ravel()
        found.append(sentences[int(likeness.argmax())])
    return found


def _mean_of(values: np.ndarray, mask: np.ndarray) -> weighted.Statistic:
    """The weighted mean of some rows."""
    own = weighted.mean(values[mask])
    return lambda weights: own(weights[:, mask])
