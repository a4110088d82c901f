"""Quality on open data: each recipe with three seeds, the mean of its first figure with a 95 % interval.

    python benchmarks/quality.py minilm_symptoms=DATA/symptom_to_diagnosis minilm_mts_dialog=DATA/mts_dialog ...
    python benchmarks/quality.py mpnet_symptoms=DATA/symptoms_228 mpnet_mts_dialog=DATA/mts_sections --model source/mpnet
    python benchmarks/quality.py qwen_pubmedqa=DATA/pubmedqa_asked --model source/qwen

DATA: where you put the files that the recipe's first lines name; some of them benchmarks/quality_data.py makes. The stages run
as `dxtune STAGE` in a scratch project: the data stages once, train and evaluate once a seed. The interval resamples test notes
(by patient, where there are patients), and all seeds see the same resamples: it is that of the mean over these seeds, and the
seeds stand beside it. The test split is read once a seed, after the epoch was chosen on validation. About a minute a seed for
symptoms and questions (three to five with mpnet, eighteen with qwen), four for dialogues (seventeen to twenty-two with mpnet),
seven to fifteen for abstracts, on two cores.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import polars as pl

from dxtune.evaluation.bootstrap import Measure, bootstrap, interval
from dxtune.evaluation.headline import Sample, measure, several, single
from dxtune.evaluation.metrics import Floats
from dxtune.evaluation.multilabel import multi_hot

ROOT = Path(__file__).resolve().parent.parent
DATA_STAGES, MODEL_STAGES = ("collect", "deidentify", "preprocess", "tokenize"), ("train", "evaluate")
RESAMPLES = 2000


class Run(NamedTuple):
    """What one seed came to: test notes with their patients, and what evaluate.json says of the most frequent answer."""

    sample: Sample
    patients: np.ndarray
    majority: float


def dxtune(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "dxtune"), *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"dxtune {' '.join(words)}: {done.stderr[-2000:]}")


def run(folder: Path, recipe: str, changes: list[str], seed: int, stages: tuple[str, ...]) -> Run:
    """The recipe with `changes` and a seed; `stages` are what is not there yet."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    dxtune(folder, "params", "apply", str(ROOT / f"recipes/{recipe}.yaml"), *changes, f"train.seed={seed}")
    for stage in ("fingerprint", *stages):
        dxtune(folder, stage)
    rows = pl.read_parquet(folder / "data/predictions.parquet").filter(split="test").sort("note_id")
    probabilities = np.array(rows["probabilities"].to_list())
    if "label_ids" in rows.columns:
        thresholds = np.array(json.loads((folder / "models/final/dxtune.json").read_text())["thresholds"])
        sample = several(multi_hot(rows["label_ids"], probabilities.shape[1]), probabilities, thresholds)
    else:
        sample = single(rows["label_id"].to_numpy(), probabilities)
    baseline = json.loads((folder / "metrics/evaluate.json").read_text())["baseline"]
    return Run(sample, rows["patient_id"].to_numpy(), baseline[f"majority_{sample.first}"])


def show(recipe: str, runs: list[Run]) -> None:
    """Prints the mean over the seeds with its interval."""
    measures: list[Measure] = [measure(each.sample, 10) for each in runs]
    for name in (runs[0].sample.first, "macro_f1"):

        def mean(weights: Floats, name: str = name) -> dict[str, Floats]:
            return {name: np.mean([each(weights)[name] for each in measures], axis=0)}

        once = np.ones((1, len(runs[0].patients)))
        seeds = [float(each(once)[name][0]) for each in measures]
        found = interval(bootstrap(mean, runs[0].patients, RESAMPLES, 13)[name])
        beside = f", the most frequent answer {runs[0].majority:.3f}" if name == runs[0].sample.first else ""
        print(
            f"{recipe:<20}{name:<10} {np.mean(seeds):.3f} ({found.low:.3f} to {found.high:.3f}), seeds "
            f"{' '.join(f'{seed:.3f}' for seed in seeds)}, {len(runs[0].patients)} notes{beside}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="+", metavar="RECIPE=FOLDER")
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--model", type=Path, help="the model's folder, of recipes that name one")
    options = parser.parse_args()
    for job in options.jobs:
        recipe, _, source = job.partition("=")
        changes = [f"collect.path={Path(source).resolve()}"]
        changes += [f"model.name={options.model.resolve()}"] if options.model else []
        with TemporaryDirectory(prefix="quality-") as folder:
            runs = []
            for seed in options.seeds:
                stages = MODEL_STAGES if runs else (*DATA_STAGES, *MODEL_STAGES)
                runs.append(run(Path(folder), recipe, changes, seed, stages))
            show(recipe, runs)


if __name__ == "__main__":
    main()
