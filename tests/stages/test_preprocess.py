"""stages/preprocess.py on corpora on disk, and with stages/collect.py and the recipes on two open data sets."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dxtune import records, shards
from dxtune.errors import DataError, LeakageError
from dxtune.params import SPLITS, Params, load_params
from dxtune.paths import Paths
from dxtune.stages import collect, preprocess

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "../shared/data"


def overlay(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `changes` on top; splits and lists are replaced as a whole."""
    merged = {
        section: {**keys, **changes.get(section, {})} if isinstance(keys, dict) else changes.get(section, keys)
        for section, keys in base.items()
    }
    assert not changes.keys() - base.keys()
    return merged


def params(**changes: Any) -> Params:
    base = load_params(ROOT / "params.yaml").model_dump()
    return Params.model_validate(
        overlay(base, {"collect": {"subgroup_columns": ("sex",)}, "preprocess": {"seed": 13}} | changes)
    )


PREDEFINED = {
    "collect": {"subgroup_columns": (), "split_column": "split"},
    "preprocess": {"split": "predefined", "min_notes_per_label": 1},
}


def deidentified(root: Path, notes: pl.DataFrame) -> Paths:
    """The project at `root`, with these notes behind the PHI boundary."""
    columns = [pl.lit(None, pl.String).alias(name) for name in records.DEIDENTIFIED if name not in notes.columns]
    shards.write_corpus(notes.with_columns(columns), Paths(root).deidentified, rows_per_shard=50)
    return Paths(root)


def hospital(patients: int = 120) -> pl.DataFrame:
    """Two notes a patient; patient 0's second is a copy of patient 1's first, and three notes are too short."""
    rows = [
        (f"n{at}", f"p{at // 2}", f"Note  number {at} says this\u00a0much.", ("cold", "flu", "gout")[at // 2 % 3], "FM"[at % 2])
        for at in range(2 * patients)
    ]
    notes = pl.DataFrame(rows, schema=["note_id", "patient_id", "text", "label", "sex"], orient="row")
    texts = notes["text"].to_list()
    texts[2] = f" {texts[1]}\n"
    return notes.with_columns(text=pl.Series([*texts[:-3], "short", " ", "\x00"]))


def explicit(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """Notes n0, n1, ... as (patient, text, label, split)."""
    frame = pl.DataFrame(list(rows), schema=["patient_id", "text", "label", "split"], orient="row")
    return frame.with_columns(
        note_id="n" + pl.int_range(pl.len()).cast(pl.String), text=pl.col("text") + " and some words more"
    )


def metrics(paths: Paths, name: str = "preprocess") -> Any:
    return json.loads((paths.metrics / f"{name}.json").read_text(encoding="utf-8"))


def read_splits(paths: Paths) -> dict[str, pl.DataFrame]:
    return {split: shards.read_corpus(paths.processed / split) for split in SPLITS}


def test_notes_become_three_corpora_a_label_map_a_quarantine_and_metrics(tmp_path: Path) -> None:
    paths = deidentified(tmp_path, hospital())
    preprocess.run(params(), paths)
    splits, found = read_splits(paths), metrics(paths)
    assert json.loads((paths.processed / "labels.json").read_text(encoding="utf-8")) == ["cold", "flu", "gout"]
    for split, notes in splits.items():
        records.check(notes, records.PROCESSED, split)  # type: ignore[arg-type]
        assert notes.columns == [*records.PROCESSED, "sex"]
        assert notes["label_id"].to_list() == [["cold", "flu", "gout"].index(label) for label in notes["label"]]
        assert found[split]["notes"] == notes.height
        assert found[split]["patients"] == notes["patient_id"].n_unique()
        assert {label: count[split] for label, count in found["labels"].items()} == dict(
            notes["label"].value_counts().iter_rows()
        )
        assert not notes["text"].str.contains("  |\u00a0").any()
    quarantine = pl.read_parquet(paths.processed / "quarantine.parquet")
    assert quarantine["note_id"].to_list() == ["n237", "n238", "n239"]
    assert (found["rows"], found["quarantined"], found["duplicates"], found["conflicting_duplicates"]) == (240, 3, 1, 1)
    assert (found["shared_patients"], found["shared_texts"]) == (0, 0)
    assert "n2" not in pl.concat(splits.values())["note_id"]
    assert abs(found["test"]["patients"] / 119 - 0.15) < 0.02


def test_forced_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = deidentified(tmp_path, hospital())
    written = []
    for _ in range(2):
        preprocess.run(params(), paths)
        files = sorted(path for folder in (paths.processed, paths.metrics) for path in folder.rglob("*.*") if path.is_file())
        written.append({path: path.read_bytes() for path in files})
    assert written[0] == written[1]


def test_posterior_goes_along_and_must_agree_with_the_labels(tmp_path: Path) -> None:
    posterior = pl.lit([0.2, 0.3, 0.5], pl.List(pl.Float64)).alias("posterior")
    paths = deidentified(tmp_path, hospital().with_columns(posterior))
    preprocess.run(params(), paths)
    assert read_splits(paths)["test"]["posterior"][0].to_list() == [0.2, 0.3, 0.5]
    paths = deidentified(tmp_path, hospital().filter(pl.col("label") != "gout").with_columns(posterior))
    with pytest.raises(DataError, match=r"2 labels, found lengths \[3\]"):
        preprocess.run(params(), paths)


def test_predefined_splits_are_kept_and_copies_leave_the_training_side(tmp_path: Path) -> None:
    notes = explicit(
        ("p0", "a", "flu", "train"),
        ("p1", "b", "flu", "train"),
        ("p2", "c", "cold", "train"),
        ("p3", "a", "cold", "test"),
        ("p4", "d", "flu", "validation"),
        ("p5", "d", "flu", "validation"),
    )
    paths = deidentified(tmp_path, notes)
    preprocess.run(params(**PREDEFINED), paths)
    assert {split: part["note_id"].to_list() for split, part in read_splits(paths).items()} == {
        "train": ["n1", "n2"],
        "validation": ["n4"],
        "test": ["n3"],
    }
    found = metrics(paths)
    assert (found["duplicates"], found["conflicting_duplicates"]) == (2, 1)
    assert found["labels"]["cold"] == {"train": 1, "validation": 0, "test": 1}


def test_patient_in_two_predefined_splits_is_leakage(tmp_path: Path) -> None:
    rows = [
        ("p0", "a", "flu", "train"),
        ("p1", "b", "cold", "train"),
        ("p2", "c", "flu", "validation"),
        ("p0", "d", "flu", "test"),
    ]
    paths = deidentified(tmp_path, explicit(*rows))
    with pytest.raises(LeakageError, match="no patients in two splits, found 1, with the notes n0, n3: "):
        preprocess.run(params(**PREDEFINED), paths)
    assert not paths.processed.exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("p0", "a", "flu", "train"), ("p1", "b", "cold", "test"), ("p2", "c", "flu", "validation")],
            r"fewer for 'cold' \(0\): ",
        ),
        ([("p0", "a", "flu", "train"), ("p1", "b", "flu", "test")], "found none in validation"),
        ([("p0", "a", "flu", "train"), ("p1", "b", "flu", "dev")], r"another or none for 1 \(n1\)"),
    ],
)
def test_unsound_predefined_splits_stop_the_run(tmp_path: Path, rows: list[tuple[str, str, str, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        preprocess.run(params(**PREDEFINED), deidentified(tmp_path, explicit(*rows)))


def test_rare_label_stops_the_run(tmp_path: Path) -> None:
    notes = hospital().with_columns(label=pl.when(pl.col("patient_id") == "p7").then(pl.lit("scurvy")).otherwise("label"))
    with pytest.raises(DataError, match=r"at least 10 training notes for each label, found fewer for 'scurvy' \(2\): bring"):
        preprocess.run(params(), deidentified(tmp_path, notes))


def test_missing_subgroup_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/deidentified: expected the columns .* missing: \['sex'\]"):
        preprocess.run(params(), deidentified(tmp_path, hospital().drop("sex")))


# name of the recipe, folder in shared/data; rows in, quarantined, duplicates, conflicting; notes and labels out
REAL = [
    ("minilm_symptoms", "symptom_to_diagnosis", (462, 0, 1, 0), (200, 49, 212, 22)),
    ("minilm_mts_dialog", "mts_dialog", (1501, 0, 5, 0), (1197, 100, 199, 20)),
]


@pytest.mark.parametrize(("recipe", "folder", "rows", "out"), REAL, ids=[recipe for recipe, *_ in REAL])
def test_recipe_on_open_data(tmp_path: Path, recipe: str, folder: str, rows: tuple[int, ...], out: tuple[int, ...]) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"shared/data/{folder} is not on this machine")
    changes = yaml.safe_load((ROOT / f"recipes/{recipe}.yaml").read_text(encoding="utf-8"))
    changes["collect"]["path"] = str(SHARED / folder)
    settings = Params.model_validate(overlay(load_params(ROOT / "params.yaml").model_dump(), changes))
    collect.run(settings, Paths(tmp_path))
    raw = shards.read_corpus(Paths(tmp_path).raw)
    assert metrics(Paths(tmp_path), "collect")["quarantined"] == 0
    paths = deidentified(tmp_path, raw.drop("note_date").with_columns(note_year=pl.lit(None, pl.String)))
    preprocess.run(settings, paths)
    found = metrics(paths)
    assert (found["rows"], found["quarantined"], found["duplicates"], found["conflicting_duplicates"]) == rows
    assert (*(found[split]["notes"] for split in SPLITS), len(found["labels"])) == out


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("minilm_*.yaml")), ids=lambda path: path.stem)
def test_recipe_is_a_valid_overlay_without_paths_of_a_machine(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    changes = yaml.safe_load(text)
    base = load_params(ROOT / "params.yaml").model_dump()
    Params.model_validate(overlay(base, changes))
    assert changes["collect"]["path"].startswith("source/")
    assert not any(word in text for word in ("/work", "/home", "/root", "/tmp"))
    assert all(mark in text for mark in ("# Source:", "# Licence:", "# Command: dxtune params apply recipes/"))
