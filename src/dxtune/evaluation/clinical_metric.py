"""The headline metrics as a Hugging Face `evaluate.Metric`, with no network.

`evaluate.load("accuracy")` downloads a script and fails offline; this class is the script, inside the package.
Importing it loads torch, which `evaluate` imports: import it where it is used.
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from dxtune.evaluation.headline import points, single


class ClinicalMetric(evaluate.Metric):  # type: ignore[misc]
    """Accuracy, F1, AUROC, AUPRC, Brier and calibration error from true label ids and class probabilities.

    >>> ClinicalMetric(keep_in_memory=True).compute(references=[0, 1], predictions=[[0.9, 0.1], [0.2, 0.8]], bins=1)["accuracy"]
    1.0
    """

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="Metrics of a classifier as dxtune.evaluation.headline defines them.",
            citation="",
            inputs_description="references: true label ids. predictions: probabilities of all classes. bins: of the ECE.",
            features=datasets.Features(
                {"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: Any, references: Any, bins: int) -> dict[str, float]:
        """The headline metrics by name; NaN where the sample does not define one."""
        return points(single(np.asarray(references), np.asarray(predictions, dtype=np.float64)), bins)
