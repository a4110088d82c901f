"""The benchmark of thresholds, on made-up predictions of labels that few notes have."""

from pathlib import Path

import polars as pl

from benchmarks.threshold_choice import main
from tests.evaluation.test_multilabel import drawn


def test_labels_that_lend_to_each_other_do_better_on_other_notes(tmp_path: Path) -> None:
    truth, probabilities = drawn(300, 0)
    pl.DataFrame(
        {
            "note_id": [f"n{number:03d}" for number in range(300)],
            "split": ["validation"] * 300,
            "label_ids": [row.nonzero()[0].tolist() for row in truth],
            "probabilities": probabilities.tolist(),
        }
    ).write_parquet(tmp_path / "predictions.parquet")
    found = main(str(tmp_path / "predictions.parquet"))
    assert 0.2 < found["each label alone"] < found["with all labels"] < 0.8
