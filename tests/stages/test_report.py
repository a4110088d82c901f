"""The report stage writes three files from the metrics, and says what to do where they are absent."""

from pathlib import Path

import pytest

from dxtune.errors import DataError
from dxtune.files import write_json
from dxtune.params import load_params
from dxtune.paths import Paths
from dxtune.stages.report import run

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
STAGES = ("collect", "deidentify", "preprocess", "tokenize", "train", "evaluate", "probe")


def test_it_writes_three_files(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.metrics.mkdir()
    for stage in STAGES:
        (paths.metrics / f"{stage}.json").write_text("{}", encoding="utf-8")
    write_json({"reason": "no commit before this one has other figures"}, paths.previous)
    run(PARAMS, paths)
    assert "Not compared: no commit before this one has other figures." in (paths.reports / "report.html").read_text()
    assert sorted(file.name for file in paths.reports.iterdir()) == ["data_card.md", "model_card.md", "report.html"]


def test_absent_metrics_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"collect\.json: expected a JSON file, found none: run dvc repro"):
        run(PARAMS, Paths(tmp_path))
