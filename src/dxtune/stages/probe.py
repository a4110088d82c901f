"""Ask the model what a clinic would: `dxtune probe`. Does it stand notes written otherwise, and what does it know by heart?

Reads the test split, as evaluate does, and training notes beside it. Nothing is chosen by what is found here.
"""

from typing import NamedTuple

import polars as pl

from dxtune.evaluation.assessment import tidy
from dxtune.evaluation.bootstrap import SEED
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.records import processed, tokens
from dxtune.safety.memory import PATIENTS, SIDES, choose, exposure, extraction, membership
from dxtune.safety.perturbations import perturb
from dxtune.safety.robustness import robustness
from dxtune.shards import read_corpus, write_json, write_text
from dxtune.trained import Trained

READ = ("note_id", "patient_id", "text", "question", "response")
"""Of notes, what a tokenizer looks at: where an answer stands in a note is not known of one that is written otherwise."""


class Told(NamedTuple):
    """What was read of the test notes as they are, and what the model said of them."""

    tokens: pl.DataFrame
    said: pl.DataFrame


def run(params: Params, paths: Paths) -> None:
    """Writes metrics/probe.json and metrics/plots/robustness.csv."""
    predictor = Trained(paths.model, params.train.threads, params.train.precision)
    how, task = params.evaluate, params.task
    rows = {split: choose(read_corpus(paths.tokens / split, tokens(task)), PATIENTS, SEED) for split in SIDES}
    figures: dict[str, object] = {
        "membership": membership({split: predictor.losses(some) for split, some in rows.items()}, how)
    }
    notes = read_corpus(paths.processed / "test", processed(task)).join(rows["test"], on="note_id", how="semi")
    own = Told(read(predictor, notes), tell(predictor, rows["test"]))
    others = {name: again(predictor, some, own) for name, some in perturb(notes).items()}
    test = notes.join(own.said, on="note_id").sort("note_id")
    figures["robustness"], table = robustness(test, others, predictor.settings, how)
    if task == "generation":
        from dxtune.tasks.verbatim import completed

        told = {split: completed(predictor.model, some, predictor.settings, predictor.bf16) for split, some in rows.items()}
        figures["extraction"] = extraction(told, how)
        if params.train.canaries:
            from dxtune.tasks.canaries import exposures

            bits = exposures(predictor.model, params.train.canaries, predictor.settings, predictor.bf16)
            figures["exposure"] = exposure(bits, how)
    write_text(table.write_csv(), paths.metrics / "plots" / "robustness.csv")
    write_json(tidy(figures), paths.metrics / "probe.json")


def read(predictor: Trained, notes: pl.DataFrame) -> pl.DataFrame:
    """The tokens of notes."""
    return predictor.tokenize(notes.select(name for name in READ if name in notes.columns))


def tell(predictor: Trained, tokens: pl.DataFrame) -> pl.DataFrame:
    """What the model says of notes, a row each: of generation, how far off the recorded response is."""
    if predictor.settings["task"] == "generation":
        return predictor.losses(tokens).select("note_id", "loss")
    return predictor.predictions(tokens)


def again(predictor: Trained, notes: pl.DataFrame, own: Told) -> pl.DataFrame:
    """Notes that are written otherwise, with what the model says of them; those that it reads as before are not asked again."""
    tokens = read(predictor, notes)
    before, after = (each.rows_by_key("note_id") for each in (own.tokens, tokens))
    new = pl.Series([note for note, rows in after.items() if rows != before[note]], dtype=pl.String)
    parts = [own.said.filter(~pl.col("note_id").is_in(new.implode()))]
    if len(new):
        parts.append(tell(predictor, tokens.filter(pl.col("note_id").is_in(new.implode()))))
    return notes.join(pl.concat(parts), on="note_id").sort("note_id")
