"""Every stage looks at what it reads: a missing column, another type or an absent value is a DataError that names the place."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dxtune import records, shards
from dxtune.errors import DataError
from dxtune.evaluation.unlike import fit_familiar
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.tasks import classification
from dxtune.training.base_model import load_tokenizer
from dxtune.training.provenance import labels_sha256
from tests.reporting.conftest import write_metrics

TASK = "classification"
ROW: dict[str, object] = {
    "note_id": "n", "patient_id": "p", "text": "Fever and a cough since Monday.", "label": "flu", "label_id": 0,
    "input_ids": [2, 9, 3], "length": 3, "sex": "f", "probabilities": [1.0], "unlike": 0.5,
}  # fmt: skip
SUBGROUP: records.Schema = {"sex": pl.String}
PLACES: dict[str, records.Schema] = {
    "data/raw": {**records.columns(TASK), **SUBGROUP},
    "data/deidentified": {**records.deidentified(TASK), **SUBGROUP},
    **{f"data/processed/{split}": records.processed(TASK) for split in SPLITS},
    **{f"data/tokens/{split}": records.tokens(TASK) for split in SPLITS},
}
"""What is read between stages, and how it must look."""


def table(schema: records.Schema, name: str) -> pl.DataFrame:
    """Two rows as the schema wants them, of patients of their own."""
    rows = [{**ROW, "note_id": f"{name}-n{at}", "patient_id": f"{name}-p{at}"} for at in range(2)]
    return pl.DataFrame([{column: row.get(column) for column in schema} for row in rows], schema=schema)


@pytest.fixture(scope="module")
def sound(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every stage finds what it reads."""
    root = tmp_path_factory.mktemp("sound")
    for place, schema in PLACES.items():
        shards.write_corpus(table(schema, Path(place).name), root / place)
    for folder in ("data/processed", "data/tokens"):
        shards.write_json(["flu"], root / folder / "labels.json")
        shards.write_json({"boilerplate": [], "drop_sections": []}, root / folder / "cleaning.json")
    settings = {"task": TASK, "pad_token_id": 0, "unk_token_id": 1, "temperature": 1.0, "labels_sha256": labels_sha256(["flu"])}
    settings["familiar"] = fit_familiar(
        np.zeros((2, 32)), np.zeros(2, dtype=int), table(records.tokens(TASK), "validation"), 1, str
    )
    classification.save(classification.build(tiny_model, 1, 0.0, 0.0), root / "models/final", ["flu"], settings)
    load_tokenizer(tiny_model).save(str(root / "models/final/tokenizer.json"))
    write_metrics(root / "metrics")
    said = [table(records.predictions(TASK), split).with_columns(split=pl.lit(split)) for split in ("validation", "test")]
    shards.write_parquet(pl.concat(said), root / "data/predictions.parquet")
    return root


@pytest.fixture
def run(sound: Path, tiny_model: Path, tmp_path: Path, params_with: Callable[..., Params]) -> Callable[[str], None]:
    """A function: the stage of a name, on a copy of the project in `tmp_path`."""
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    params = params_with(
        collect={"subgroup_columns": ("sex",)},
        data={"workers": 1},
        model={"name": str(tiny_model), "sha256": None},
        train={"threads": 1},
    )
    return lambda stage: import_module(f"dxtune.stages.{stage}").run(params, Paths(tmp_path))


BOUNDARIES = [
    ("deidentify", "data/raw", "text"),
    ("deidentify", "data/raw", "patient_id"),
    ("preprocess", "data/deidentified", "label"),
    ("preprocess", "data/deidentified", "note_id"),
    ("tokenize", "data/processed/train", "text"),
    ("tokenize", "data/processed/test", "label_id"),
    ("train", "data/tokens/train", "input_ids"),
    ("train", "data/tokens/validation", "label_id"),
    ("evaluate", "data/processed/test", "label"),
    ("evaluate", "data/tokens/test", "input_ids"),
    ("evaluate", "data/tokens/validation", "patient_id"),
    ("probe", "data/tokens/train", "input_ids"),
    ("probe", "data/processed/test", "text"),
    ("explain", "data/processed/validation", "text"),
    ("explain", "data/tokens/test", "input_ids"),
]
BROKEN: dict[str, tuple[Callable[[pl.DataFrame, str], pl.DataFrame], str]] = {
    "missing": (lambda frame, name: frame.drop(name), r"expected the columns .*; missing: {name}; found "),
    "type": (
        lambda frame, name: frame.with_columns(pl.lit(1.5).alias(name)),
        r"column {name}: expected the type .*, found Float64",
    ),
    "null": (
        lambda frame, name: frame.with_columns(pl.when(pl.int_range(pl.len()) != 1).then(name).alias(name)),
        r"column {name}: expected a value in every row, found none in 1 of 2 \(the first: row 2\)",
    ),
}


@pytest.mark.parametrize(("stage", "place", "column"), BOUNDARIES)
@pytest.mark.parametrize("what", BROKEN)
def test_what_a_stage_reads_is_looked_at(
    run: Callable[[str], None], tmp_path: Path, stage: str, place: str, column: str, what: str
) -> None:
    breaks, message = BROKEN[what]
    shards.write_corpus(breaks(shards.read_corpus(tmp_path / place), column), tmp_path / place)
    with pytest.raises(DataError, match=f"{place}/part-00000.parquet: {message.format(name=column)}.*run dvc repro") as error:
        run(stage)
    assert "Monday" not in str(error.value), "no text in a message"


@pytest.mark.parametrize(("stage", "place"), sorted({(stage, place) for stage, place, _ in BOUNDARIES}))
def test_half_a_file_is_an_error_that_names_it(run: Callable[[str], None], tmp_path: Path, stage: str, place: str) -> None:
    shard = tmp_path / place / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{place}/part-00000.parquet: expected a whole parquet file, found .*run dvc repro"):
        run(stage)


@pytest.mark.parametrize(
    ("stage", "file", "content", "message"),
    [
        ("deidentify", "data/raw/manifest.json", "[]", "expected the rows of each shard as JSON"),
        ("tokenize", "data/processed/labels.json", "{", "expected a JSON file, found none"),
        ("train", "data/tokens/labels.json", "", "expected a JSON file, found none"),
        ("report", "metrics/train.json", "[1]", "expected metrics by name"),
        ("report", "metrics/collect.json", '{"rows": "12"}', "rows: expected a value of type int, found str"),
        ("report", "metrics/evaluate.json", '{"test": null}', "test: expected a value of type dict, found NoneType"),
        ("report", "metrics/plots/roc.csv", "a,b\n1,2\n", "missing: false_positive_rate, true_positive_rate"),
        ("report", "metrics/plots/loss.csv", "", "missing: step, loss"),
        ("report", "metrics/previous.json", "[]", "expected what was compared, or a reason"),
    ],
)
def test_other_files_between_stages(
    run: Callable[[str], None], tmp_path: Path, stage: str, file: str, content: str, message: str
) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"{file}: .*{message}.*run dvc repro"):
        run(stage)


@pytest.mark.parametrize(
    ("task", "column", "values", "message"),
    [
        ("multilabel", "labels", [["a", None]], "column labels: expected a value in every row"),
        ("generation", "response", pl.Series([None], dtype=pl.String), "column response: expected a value in every row"),
        ("question-answering", "answer_start", ["3"], "column answer_start: expected the type Int64, found String"),
        (TASK, "question", [1], "column question: expected the type String, found Int64"),
        (TASK, "posterior", ["x"], r"column posterior: expected the type List\(Float64\), found String"),
    ],
)
def test_columns_of_every_task(task: str, column: str, values: list[object], message: str) -> None:
    schema = records.columns(task)
    row = {**ROW, "labels": ["a"], "response": "Rest.", "question": "Fever?", "answer": "Fever"}
    whole = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    assert records.check(whole, schema, "here") is whole
    with pytest.raises(DataError, match=f"here: {message}"):
        records.check(whole.with_columns(pl.Series(column, values)), schema, "here")
