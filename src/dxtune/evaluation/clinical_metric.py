"""The metrics of every task as a Hugging Face `evaluate.Metric`, with no network.

`evaluate.load("accuracy")` downloads a script and fails offline; this class is the script, inside the package.
Importing it loads torch, which `evaluate` imports: import it where it is used.
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from dxtune.evaluation.answers_assessment import METRICS
from dxtune.evaluation.headline import points, several, single
from dxtune.evaluation.texts import score

SCORES = datasets.Sequence(datasets.Value("float64"))
TEXTS = {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
FEATURES = {
    "classification": {"predictions": SCORES, "references": datasets.Value("int64")},
    "multilabel": {"predictions": SCORES, "references": datasets.Sequence(datasets.Value("int64"))},
    "question-answering": TEXTS,
    "generation": TEXTS,
}
INPUTS = """predictions and references, a row a note, by the name of the configuration.
classification: probabilities of all classes, and the true one's id; bins: of the calibration error.
multilabel: probabilities of all labels, and 1 or 0 for each; bins, and thresholds: from which on a label is given.
question-answering, generation: the answer, empty where there is none, and the true one or the reference."""


class ClinicalMetric(evaluate.Metric):  # type: ignore[misc]
    """The figures of one task by name, each note counting once; NaN where the sample does not define one.

    Sources: those of `headline.points`, `answers.py` and `texts.py`.

    >>> ClinicalMetric("classification", keep_in_memory=True).compute(
    ...     references=[0, 1], predictions=[[0.9, 0.1], [0.2, 0.8]], bins=1
    ... )["accuracy"]
    1.0
    >>> ClinicalMetric("question-answering", keep_in_memory=True).compute(references=["a fever"], predictions=["Fever."])
    {'exact_match': 1.0, 'token_f1': 1.0}
    """

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="Metrics as dxtune.evaluation defines them, with a configuration for each task.",
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features(FEATURES[self.config_name]),
        )

    def _compute(self, predictions: Any, references: Any, bins: int = 1, thresholds: Any = None) -> dict[str, float]:
        if self.config_name == "classification":
            return points(single(np.asarray(references), np.asarray(predictions, dtype=np.float64)), bins)
        if self.config_name == "multilabel":
            probabilities = np.asarray(predictions, dtype=np.float64)
            return points(several(np.asarray(references), probabilities, np.asarray(thresholds)), bins)
        if self.config_name == "generation":
            return {name: float(np.nanmean(values)) for name, values in score(predictions, references).items()}
        pairs = list(zip(references, predictions, strict=True))
        return {name: float(np.mean([metric(*pair) for pair in pairs])) for name, metric in METRICS.items()}


def measure(task: str, predictions: Any, references: Any, **settings: Any) -> dict[str, float]:
    """What the metric says of a task's predictions; settings: as its configuration takes them."""
    metric = ClinicalMetric(task, keep_in_memory=True)
    return dict(metric.compute(predictions=predictions, references=references, **settings))
