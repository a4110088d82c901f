"""Ask the model what a clinic would: `dxtune probe`. Does it stand notes written otherwise, and what does it know by heart?

Reads the test split, as evaluate does, and training notes beside it. Nothing is chosen by what is found here.
"""

from dxtune.evaluation.assessment import tidy
from dxtune.evaluation.bootstrap import SEED
from dxtune.evaluation.checks import as_predictions
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.records import LABEL_IDS, predictions, processed, tokens
from dxtune.safety.memory import PATIENTS, SIDES, choose, extraction, membership
from dxtune.safety.perturbations import perturb
from dxtune.safety.robustness import no_robustness, robustness
from dxtune.shards import read_corpus, write_json, write_text


def run(params: Params, paths: Paths) -> None:
    """Writes metrics/probe.json and metrics/plots/robustness.csv."""
    predictor = Predictor(paths.model, params.train.threads, params.train.precision)
    how, task = params.evaluate, params.task
    rows = {split: choose(read_corpus(paths.tokens / split, tokens(task)), PATIENTS, SEED) for split in SIDES}
    figures: dict[str, object] = {
        "membership": membership({split: predictor.losses(some) for split, some in rows.items()}, how)
    }
    table = no_robustness()
    if task in LABEL_IDS:
        test = as_predictions(rows["test"], "test", predictor.predictions(rows["test"]), predictions(task))
        notes = read_corpus(paths.processed / "test", processed(task)).join(rows["test"], on="note_id", how="semi")
        others = {name: predictor.predictions(predictor.tokenize(some)) for name, some in perturb(notes).items()}
        figures["robustness"], table = robustness(test, others, predictor.settings, how)
    if task == "generation":
        from dxtune.tasks.verbatim import completed

        told = {split: completed(predictor.model, some, predictor.settings, predictor.bf16) for split, some in rows.items()}
        figures["extraction"] = extraction(told, how)
    write_text(table.write_csv(), paths.metrics / "plots" / "robustness.csv")
    write_json(tidy(figures), paths.metrics / "probe.json")
