"""Say which words answers rest on, whether that is true of the model, and for whom it is wrong: `dxtune explain`.

Reads the test split to measure; nothing is chosen by it. Words are weighed where a note gets labels, cohorts for every task.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from dxtune.errors import DataError
from dxtune.evaluation.assessment import Figures, tidy
from dxtune.evaluation.bootstrap import SEED
from dxtune.evaluation.checks import join_predictions
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.records import ATTRIBUTIONS, LABEL_IDS, SMALLEST_GROUP, check, predictions, processed, tokens
from dxtune.safety import faithfulness
from dxtune.safety.cohorts import cohorts
from dxtune.safety.faithfulness import Attributed, Windows
from dxtune.safety.words import TABLE, WORD, influential, words_of
from dxtune.shards import read_corpus, write_json, write_parquet, write_text
from dxtune.tasks import find_measures
from dxtune.trained import Trained
from dxtune.training.machine import prepare

if TYPE_CHECKING:  # it loads torch
    from dxtune.safety.attribution import Attributor, Points
    from dxtune.tasks.encoder import NoteModel

STEPS, FEWER_STEPS, ONE_STEP = 20, 4, 1
"""Of the integral: for a note's attributions; for those of random weights, only ranked; for means over many notes."""
NOTES = 16
"""Test notes whose words are weighed, one a patient; fewer than ten give no figures. Each is read some thirty times."""
MOST = 500
"""Test notes, the first by hash, from which the influential words of the labels are taken."""
Tables = tuple[pl.DataFrame, pl.DataFrame]


def run(params: Params, paths: Paths) -> None:
    """Writes metrics/explain.json, the tables of cohorts and words in metrics/plots, and data/attributions.parquet."""
    prepare(params.train.threads, SEED)
    predictor = Trained(paths.model, params.train.threads, params.train.precision)
    made = read_predictions(params, paths)
    frames = {}
    for split in ("validation", "test"):
        frame = join_predictions(read_corpus(paths.processed / split, processed(params.task)), made, split)
        frames[split] = frame.with_columns(pl.Series("mistake", find_measures(params.task).mistakes(frame, predictor.settings)))

    figures, table = cohorts(
        frames["validation"], frames["test"], params.collect.subgroup_columns, params.evaluate.bootstrap_resamples
    )
    attributions, words = pl.DataFrame(schema=ATTRIBUTIONS), pl.DataFrame(schema=TABLE)
    if params.task in LABEL_IDS:
        rows = read_corpus(paths.tokens / "test", tokens(params.task))
        weighed, (attributions, words) = weigh(predictor, frames["test"], rows, params)
        figures = weighed | figures

    write_parquet(attributions, paths.attributions)
    write_text(table.write_csv(), paths.metrics / "plots/cohorts.csv")
    write_text(words.write_csv(), paths.metrics / "plots/words.csv")
    write_json(tidy(figures), paths.metrics / "explain.json")


def read_predictions(params: Params, paths: Paths) -> pl.DataFrame:
    """What `evaluate` wrote. Raises DataError where it is absent, or not as records.predictions says."""
    if not paths.predictions.is_file():
        raise DataError(f"expected the predictions of `dxtune evaluate` in {paths.predictions}, found none: run dvc repro")
    return check(pl.read_parquet(paths.predictions), predictions(params.task), str(paths.predictions))


def weigh(predictor: Trained, test: pl.DataFrame, rows: pl.DataFrame, params: Params) -> tuple[Figures, Tables]:
    """Figures of attributions and of how true they are of the model; the weighed notes, and the influential words.

    test: notes with their predictions. rows: their tokens. Which notes: the first by the hash of their id, one a patient.
    """
    from dxtune.safety import attribution
    from dxtune.tasks.encoder import hold_in_bf16

    tokenizer, settings = predictor.tokenizer, predictor.settings
    special = attribution.special_ids(tokenizer, settings["unk_token_id"])
    windows = {str(note): frame.to_dicts() for (note,), frame in rows.partition_by("note_id", as_dict=True).items()}
    by_hash = test[np.argsort([sha256(note.encode()).hexdigest() for note in test["note_id"]], kind="stable")]
    chosen = by_hash.unique("patient_id", keep="first", maintain_order=True).head(NOTES)

    def attributor(model: "NoteModel") -> "Attributor":
        if predictor.bf16:
            hold_in_bf16(model)
        return attribution.Attributor(model, settings["pad_token_id"], special, predictor.bf16)

    own = attributor(predictor.model)
    notes = list(attributed(own, chosen, windows, attribution.integral(STEPS)))
    figures: Figures = {"patients_below_10": 1}
    if len(notes) >= SMALLEST_GROUP:
        errors = [attribution.completeness_error(note.scores, own.change(note.windows, note.label)) for note in notes]
        figures = {"notes": len(notes), "completeness_error": float(np.mean(errors)), "completeness_error_max": max(errors)}
        found = faithfulness.faithfulness(notes, predictor.predictions, special)
        figures |= faithfulness.summary(found, params.evaluate.bootstrap_resamples)
        for name, head_alone in (("random_head", True), ("random_model", False)):
            other = attributor(attribution.randomised(predictor.model, head_alone))
            others = other.each([(note.windows, note.label) for note in notes], attribution.integral(FEWER_STEPS))
            figures[f"{name}_correlation"] = faithfulness.agreement(notes, others, special)

    may_show = params.collect.source == "synthetic" or params.explain.show_text
    listed = [list(words_of(note.ids, note.scores, tokenizer, special)) for note in notes]
    weighed = pl.DataFrame(
        {
            "note_id": [note.note_id for note in notes],
            "label": [predictor.labels[note.label] for note in notes],
            "probability": chosen["probabilities"].list.max(),
            "words": [[word for word, _ in words] if may_show else None for words in listed],
            "scores": [[round(score, 6) for _, score in words] for words in listed],
        },
        schema=ATTRIBUTIONS,
    )
    if not may_show:
        return figures, (weighed, pl.DataFrame(schema=TABLE))
    quick = attributed(own, by_hash.head(MOST), windows, attribution.integral(ONE_STEP))
    said = [
        (note.note_id, note.patient_id, predictor.labels[note.label], word, score)
        for note in quick
        for word, score in words_of(note.ids, note.scores, tokenizer, special)
    ]
    return figures, (weighed, influential(pl.DataFrame(said, schema=WORD, orient="row")))


def attributed(
    attributor: "Attributor", notes: pl.DataFrame, windows: Mapping[str, Windows], points: "Points"
) -> Iterator[Attributed]:
    """Each note with what its tokens add to the logit of its likeliest label, in order."""
    rows = list(notes.select("note_id", "patient_id", pl.col("probabilities").list.arg_max().cast(pl.Int64)).iter_rows())
    each = attributor.each([(windows[note], label) for note, _, label in rows], points)
    for (note, patient, label), scores in zip(rows, each, strict=True):
        yield Attributed(note, patient, label, windows[note], scores)
