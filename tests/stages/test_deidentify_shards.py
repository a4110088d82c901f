"""deidentify by shards: the same notes come out however they are cut, names are carried, little is done twice."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis as hyp
import polars as pl
import pytest
from hypothesis import strategies as st

from dxtune import records, shards
from dxtune.deid import Deidentifier, key
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.sources import synthetic
from dxtune.stages import deidentify
from tests.conftest import ROOT

SURE = "Mr. John {} (MRN 441772) came on 3/4/2019 with fever."
DOUBTFUL = "{} is better."
NAMES = ["Brightwater", "Quillfeather", "Winter", "Young", "Frost"]


def frame(texts: list[str], patients: list[str]) -> pl.DataFrame:
    rows = [
        {"note_id": f"n{row}", "patient_id": patient, "note_date": "2019-03-04", "text": text, "label": "flu", "split": None}
        for row, (text, patient) in enumerate(zip(texts, patients, strict=True))
    ]
    return pl.DataFrame(rows, schema=records.RAW)


@pytest.fixture(scope="module")
def notes() -> pl.DataFrame:
    """Notes of patients who stand all over the corpus, some with a name that only another note makes sure."""
    rng = random.Random(5)
    made = [(form.format(name), f"p{who}") for who, name in enumerate(NAMES * 4) for form in (SURE, DOUBTFUL, DOUBTFUL)]
    settings = _collect(ROOT)
    known = next(iter(synthetic.pieces(settings, "classification"))).read().records.head(120)
    made += list(known.select("text", "patient_id").iter_rows())
    rng.shuffle(made)
    return frame(*map(list, zip(*made, strict=True)))


def _collect(root: Path) -> Any:
    from dxtune.params import load_params

    settings = load_params(root / "params.yaml").collect
    return settings.model_copy(update={"path": str(root / settings.path), "notes": 200})


@pytest.fixture(autouse=True)
def _no_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)


def run(root: Path, params: Params, notes: pl.DataFrame, per_shard: int) -> dict[str, bytes]:
    """What comes out, as one table each, and the metrics."""
    shards.write_corpus(notes, root / "data/raw", per_shard)
    paths = Paths(root)
    deidentify.run(params, paths)
    assert list(shards.shards_of(paths.deidentified).values()) == list(shards.shards_of(paths.raw).values())
    tables = {name: shards.read_corpus(folder) for name, folder in (("texts", paths.deidentified), ("audit", paths.audit))}
    assert not (root / ".cache/deidentify").exists()
    written = {name: table.write_ndjson().encode() for name, table in tables.items()}
    return {**written, "metrics": (paths.metrics / "deidentify.json").read_bytes()}


def settings(params_with: Callable[..., Params], workers: int = 1, **changes: object) -> Params:
    return params_with(
        collect={"subgroup_columns": ()},
        deidentify={"min_full_recall": 0.0, **changes},
        data={"workers": workers},
    )


@pytest.mark.parametrize("style", ["placeholder", "surrogate"])
def test_however_the_corpus_is_cut_the_same_comes_out(
    tmp_path: Path, notes: pl.DataFrame, params_with: Callable[..., Params], style: str
) -> None:
    params = settings(params_with, style=style)
    whole = run(tmp_path / "whole", params, notes, notes.height)
    for per_shard in (7, 64):
        assert run(tmp_path / str(per_shard), params, notes, per_shard) == whole
    assert run(tmp_path / "two", settings(params_with, 2, style=style), notes, 20) == whole
    if style == "placeholder":
        once = Deidentifier(key.public_key()).deidentify(notes["text"].to_list(), notes["patient_id"].to_list())
        assert shards.read_corpus(tmp_path / "7/data/deidentified")["text"].to_list() == once


def test_a_name_is_carried_to_another_shard_and_only_of_its_patient(tmp_path: Path, params_with: Callable[..., Params]) -> None:
    texts = [SURE.format("Winter"), DOUBTFUL.format("Winter"), DOUBTFUL.format("Winter")]
    run(tmp_path, settings(params_with), frame(texts, ["a", "a", "b"]), 1)
    out = shards.read_corpus(tmp_path / "data/deidentified")["text"].to_list()
    audit = shards.read_corpus(tmp_path / "data/deidentification_audit")
    alone = Deidentifier(key.public_key()).deidentify(texts[1:2])
    assert "Winter" in alone[0], "this note by itself does not say that it is a name"
    assert out[1:] == [DOUBTFUL.format("[NAME]"), texts[2]]
    assert audit.filter(rule="carried").height == 1


def test_a_note_costs_its_shard_and_the_notes_of_its_patient(tmp_path: Path, params_with: Callable[..., Params]) -> None:
    texts = [DOUBTFUL.format("Winter")] * 20
    patients = [f"p{row}" for row in range(20)]
    params = settings(params_with)
    cache = tmp_path / ".cache/shards/deidentify"
    run(tmp_path, params, frame(texts, patients), 4)
    before = {path.name for path in cache.iterdir()}
    assert len(before) == 10, "five shards: found, and replaced"
    run(tmp_path, params, frame([*texts, SURE.format("Winter")], [*patients, "p1"]), 4)
    new = {path.name for path in cache.iterdir()} - before
    assert len(new) == 4, "the new shard: found and replaced; that of p1: carried and replaced"
    out = shards.read_corpus(tmp_path / "data/deidentified")["text"].to_list()
    assert [row for row, text in enumerate(out) if "[NAME]" in text] == [1, 20]


def test_the_cache_holds_no_name(tmp_path: Path, notes: pl.DataFrame, params_with: Callable[..., Params]) -> None:
    run(tmp_path, settings(params_with), notes, 16)
    files = [path for path in (tmp_path / ".cache").rglob("*") if path.is_file()]
    said = "".join(
        pl.read_parquet(path).write_ndjson() if path.suffix == ".parquet" else path.read_text(encoding="utf-8")
        for path in files
    )
    assert files and not any(name in said for name in NAMES)
    assert not any(note in said for note in ('"n0"', '"p0"'))


def test_surrogates_are_no_words_of_identifiers_in_any_shard(tmp_path: Path, params_with: Callable[..., Params]) -> None:
    """A common surname is never drawn where it is somebody's in another shard; where it is nobody's, it is."""
    texts = [SURE.format(f"Zebulon{chr(97 + row // 20)}{chr(97 + row % 20)}") for row in range(200)]
    patients = [f"p{row}" for row in range(200)]
    params = settings(params_with, style="surrogate")
    run(tmp_path / "a", params, frame(texts, patients), 50)
    drawn = shards.read_corpus(tmp_path / "a/data/deidentified")["text"].str.extract(r"Mr\. \w+ (\w+)").to_list()
    texts[199] = SURE.format(common := next(name for name in drawn[:150] if drawn.count(name) == 1))
    run(tmp_path / "b", params, frame(texts, patients), 50)
    again = shards.read_corpus(tmp_path / "b/data/deidentified")["text"].str.extract(r"Mr\. \w+ (\w+)").to_list()
    assert common not in again
    assert sum(a != b for a, b in zip(drawn[:199], again[:199], strict=True)) == 1


LINE = (
    "Mr. Mrs. Dr. John Winter winter Young young Frost Brightwater is was said better, ok. 3/4/2019 MRN 441772 of the from "
    "seen by and Hope hope Hospital at Street 12 aged 91 , \n (617) 555-0199 Quillfeather O'Neil Smith-Young"
)
TEXTS = st.lists(st.sampled_from(LINE.split(" ")), min_size=1, max_size=12).map(" ".join)


@hyp.settings(max_examples=25, deadline=None)
@hyp.given(st.lists(st.tuples(TEXTS, st.sampled_from("ab")), min_size=2, max_size=6))
def test_a_note_to_a_shard_is_as_all_in_one(
    params_with: Callable[..., Params], tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    notes, params = frame([text for text, _ in rows], [patient for _, patient in rows]), settings(params_with)
    whole = run(tmp_path_factory.mktemp("whole"), params, notes, notes.height)
    assert run(tmp_path_factory.mktemp("cut"), params, notes, 1) == whole
