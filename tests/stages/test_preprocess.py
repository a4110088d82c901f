"""stages/preprocess.py on corpora on disk, and with stages/collect.py and the recipes on two open data sets."""

import json
import random
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
        counted = notes.group_by("label").agg(pl.len(), pl.col("patient_id").n_unique().alias("patients"))
        shown = {label: number if patients >= 10 else "<10" for label, number, patients in counted.iter_rows()}
        assert {label: count[split] for label, count in found["labels"].items()} == shown
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
    assert found["labels"]["cold"] == {"train": "<10", "validation": 0, "test": "<10"}


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


def varied(patients: int = 120, seed: int = 3) -> pl.DataFrame:
    """Two notes a patient of thirty random words each, so that no two are alike."""
    draw = random.Random(seed)
    words = [f"word{at}" for at in range(400)]
    rows = [
        (f"n{at}", f"p{at // 2}", " ".join(draw.choices(words, k=30)), ("cold", "flu", "gout")[at // 2 % 3], "FM"[at // 2 % 2])
        for at in range(2 * patients)
    ]
    return pl.DataFrame(rows, schema=["note_id", "patient_id", "text", "label", "sex"], orient="row")


def files_of(paths: Paths) -> dict[str, bytes]:
    folders = (paths.processed, paths.quality, paths.metrics)
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(paths.root)): path.read_bytes() for path in files}


def test_near_duplicates_of_several_patients_stay_in_one_split(tmp_path: Path) -> None:
    notes = varied()
    texts = notes["text"].to_list()
    for patient in range(1, 8):
        texts[2 * patient] = f"{texts[0]} change{patient}"
    paths = deidentified(tmp_path, notes.with_columns(text=pl.Series(texts)))
    preprocess.run(params(), paths)
    found = metrics(paths)
    assert (found["near_duplicate_clusters"], found["near_duplicate_notes"]) == (1, 8)
    assert (found["near_duplicate_clusters_across_patients"], found["near_duplicate_clusters_conflicting"]) == (1, 1)
    assert (found["largest_patient_group"], found["duplicates"], found["shared_near_duplicates"]) == (8, 0, 0)
    where = [split for split, part in read_splits(paths).items() if set(part["patient_id"]) & {f"p{at}" for at in range(8)}]
    assert len(where) == 1


def test_near_duplicates_across_predefined_splits_leave_the_training_side(tmp_path: Path) -> None:
    notes = varied(30).with_columns(split=pl.lit("train"))
    texts, splits = notes["text"].to_list(), ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    texts[50] = f"{texts[0]} addendum"
    paths = deidentified(tmp_path, notes.with_columns(text=pl.Series(texts), split=pl.Series(splits)))
    preprocess.run(params(**PREDEFINED), paths)
    assert pl.read_parquet(paths.quality / "duplicates.parquet").rows() == [
        ("n0", "n50", "near duplicate in another split", True)
    ]
    assert metrics(paths)["duplicates_near_in_another_split"] == 1
    assert "n0" not in read_splits(paths)["train"]["note_id"]
    flow = pl.read_csv(paths.metrics / "plots/exclusions.csv")
    assert flow.rows() == [("near duplicate in another split", 1, "<10")]


def test_appended_notes_leave_the_shards_of_old_ones_as_they_were(tmp_path: Path) -> None:
    stable = params(preprocess={"split": "stable"})
    paths = deidentified(tmp_path, varied(200).head(350))
    preprocess.run(stable, paths)
    before = files_of(paths)
    deidentified(tmp_path, varied(200))
    preprocess.run(stable, paths)
    after = files_of(paths)
    for number in range(7):
        for split in SPLITS:
            name = f"data/processed/{split}/part-{number:05d}.parquet"
            assert before[name] == after[name]
    assert "data/processed/train/part-00007.parquet" in after


def test_a_killed_cache_and_other_workers_give_the_same_bytes(tmp_path: Path) -> None:
    paths = deidentified(tmp_path / "a", hospital())
    preprocess.run(params(data={"workers": 1}), paths)
    other = deidentified(tmp_path / "b", hospital())
    preprocess.run(params(data={"workers": 2}), other)
    assert files_of(paths) == files_of(other)
    assert not (paths.cache / "preprocess").exists(), "no text is left behind"


def test_words_that_state_the_label_stop_the_run_until_their_section_is_dropped(tmp_path: Path) -> None:
    told = varied(240).with_columns(text=pl.col("text") + "\nDiagnosis: acute " + pl.col("label") + "\nFollow-up: soon")
    paths = deidentified(tmp_path, told)
    with pytest.raises(LeakageError, match=r"found 100%: .* of the labels cold, flu, gout.*preprocess.drop_sections"):
        preprocess.run(params(), paths)
    assert not paths.processed.exists()
    tokens = pl.read_parquet(paths.quality / "label_leaks.parquet")
    assert {("flu", "flu"), ("cold", "cold"), ("gout", "gout")} <= set(tokens.select("token", "label").rows())
    preprocess.run(params(preprocess={"drop_sections": ("diagnosis",)}), paths)
    assert metrics(paths)["leaked_share"] == 0.0
    assert not pl.concat(read_splits(paths).values())["text"].str.contains("Diagnosis|acute").any()
    assert pl.concat(read_splits(paths).values())["text"].str.ends_with("Follow-up: soon").all()


def test_boilerplate_of_most_notes_is_taken_out(tmp_path: Path) -> None:
    line = "Printed by the ward system, not signed."
    notes = varied().with_columns(text=line + "\n" + pl.col("text"))
    preprocess.run(params(), paths := deidentified(tmp_path, notes))
    assert metrics(paths)["boilerplate_lines"] == 1
    kept = json.loads((paths.processed / "cleaning.json").read_text(encoding="utf-8"))
    assert kept == {"boilerplate": [line], "drop_sections": []}
    assert not pl.concat(read_splits(paths).values())["text"].str.contains(line, literal=True).any()


def test_a_site_is_held_out(tmp_path: Path) -> None:
    site = pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("north")).otherwise(pl.lit("south")).alias("site")
    settings = params(
        collect={"subgroup_columns": ("sex", "site")},
        preprocess={"split": "site", "test_sites": {"site": ("north",)}, "min_notes_per_label": 1},
    )
    paths = deidentified(tmp_path, varied().with_columns(site))
    preprocess.run(settings, paths)
    splits, found = read_splits(paths), metrics(paths)
    assert set(splits["test"]["site"]) == {"north"}
    assert set(splits["train"]["site"]) == set(splits["validation"]["site"]) == {"south"}
    quarantine = pl.read_parquet(paths.processed / "quarantine.parquet")
    assert set(quarantine["reason"]) == {"of a test site's patient, written at another site"}
    assert quarantine["row"].to_list() == [int(name[1:]) + 1 for name in quarantine["note_id"]], "rows count over all shards"
    assert found["rows"] == found["quarantined"] + sum(found[split]["notes"] for split in SPLITS)


def test_rare_labels_become_other_by_setting(tmp_path: Path) -> None:
    rare = pl.col("patient_id").is_in(["p7", "p8", "p9", "p10"])
    notes = varied().with_columns(label=pl.when(rare).then(pl.lit("scurvy")).otherwise("label"))
    settings = params(preprocess={"rare_labels": "other", "min_notes_per_label": 9})
    with pytest.raises(DataError, match=r"'other' \([1-8]\)"):
        preprocess.run(settings, deidentified(tmp_path, notes))
    settings = params(preprocess={"rare_labels": "other", "min_notes_per_label": 60})
    paths = deidentified(tmp_path, notes)
    preprocess.run(settings, paths)
    labels = json.loads((paths.processed / "labels.json").read_text(encoding="utf-8"))
    assert labels == ["other"], "cold, flu and gout have 50 training notes each"
    assert metrics(paths)["merged_labels"] == 4


def test_notes_with_several_labels(tmp_path: Path) -> None:
    several = pl.when(pl.col("sex") == "F").then(pl.concat_list("label", pl.lit("pain"))).otherwise(pl.concat_list("label"))
    none = pl.when(pl.col("patient_id") == "p3").then(pl.lit([], pl.List(pl.String))).otherwise(several)
    notes = varied().with_columns(labels=none.list.sort()).drop("label")
    columns = [pl.lit(None, pl.String).alias(name) for name in ("note_year", "split")]
    shards.write_corpus(notes.with_columns(columns), (paths := Paths(tmp_path)).deidentified, rows_per_shard=50)
    settings = params(collect={"source": "table", "subgroup_columns": ("sex",)}).model_copy(update={"task": "multilabel"})
    preprocess.run(settings, paths)
    splits = read_splits(paths)
    names = json.loads((paths.processed / "labels.json").read_text(encoding="utf-8"))
    assert names == ["cold", "flu", "gout", "pain"]
    every = pl.concat(splits.values())
    assert every.columns == [*records.processed("multilabel"), "sex"]
    for row, ids in every.select("labels", "label_ids").iter_rows():
        assert [names[at] for at in ids] == row
    assert every.filter(patient_id="p3")["label_ids"].to_list() == [[], []]
    assert metrics(paths)["labels"]["pain"]["train"] == splits["train"]["labels"].list.contains("pain").sum()


def test_a_note_without_an_id_or_a_label_is_named_by_row(tmp_path: Path) -> None:
    for name in ("note_id", "patient_id", "label"):
        broken = varied(30).with_columns(pl.when(pl.int_range(pl.len()) != 4).then(name).alias(name))
        with pytest.raises(DataError, match=rf"column {name}: expected a value .* none in 1 of 50 \(the first: row 5\)"):
            preprocess.run(params(), deidentified(tmp_path, broken))


def test_missing_subgroup_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/deidentified/part-00000.parquet: expected the columns .* missing: sex;"):
        preprocess.run(params(), deidentified(tmp_path, hospital().drop("sex")))


# name of the recipe, folder in shared/data; rows in, quarantined, duplicates, conflicting; notes and labels out
REAL = [
    ("minilm_symptoms", "symptom_to_diagnosis", (462, 0, 1, 0), (200, 49, 212, 22)),
    ("minilm_mts_dialog", "mts_dialog", (1501, 0, 7, 0), (1195, 100, 199, 20)),
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


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ({}, "set preprocess.test_sites to one column and its sites"),
        ({"site": ()}, "set preprocess.test_sites to one column and its sites"),
        ({"ward": ("north",)}, "names ward, which is not in collect.subgroup_columns: add it there"),
    ],
)
def test_a_site_split_needs_sites_of_a_subgroup_column(sites: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        params(collect={"subgroup_columns": ("sex", "site")}, preprocess={"split": "site", "test_sites": sites})
