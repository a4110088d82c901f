"""stages/tokenize.py on a small corpus: ids that mean the text, lengths, and the limit on cut notes."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dxtune.errors import DataError
from dxtune.params import SPLITS, Params
from dxtune.paths import Paths
from dxtune.records import check, tokens
from dxtune.shards import read_corpus, write_corpus, write_json
from dxtune.stages import tokenize
from dxtune.training.base_model import load_tokenizer

TEXTS = {"train": ["fever and cough", "flank pain"], "validation": ["no fever"], "test": ["cough " * 30]}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    for split, texts in TEXTS.items():
        ids = [f"n-{split}-{i}" for i in range(len(texts))]
        frame = pl.DataFrame({"note_id": ids, "patient_id": ids, "text": texts, "label": ["a"] * len(texts)})
        extra = {"note_year": pl.lit(None, pl.String), "label_id": pl.lit(0, pl.Int64)}
        write_corpus(frame.with_columns(**extra), paths.processed / split)
    write_json(["a"], paths.processed / "labels.json")
    write_json({"boilerplate": ["Not signed."], "drop_sections": []}, paths.processed / "cleaning.json")
    return paths


def test_ids_mean_the_text_and_all_that_training_needs_is_there(
    paths: Paths, tiny_model: Path, params_with: Callable[..., Params]
) -> None:
    changes = {"model": {"name": str(tiny_model), "sha256": None}, "tokenize": {"max_tokens": 16, "max_truncated_share": 0.25}}
    tokenize.run(params_with(**changes), paths)
    tokenizer = load_tokenizer(paths.tokens / "tokenizer")
    for split in SPLITS:
        table = check(read_corpus(paths.tokens / split), tokens("classification"), split)
        assert table["note_id"].to_list() == [f"n-{split}-{i}" for i in range(len(TEXTS[split]))]
        assert table["length"].to_list() == [len(ids) for ids in table["input_ids"].to_list()]
    assert tokenizer.decode(read_corpus(paths.tokens / "train")["input_ids"][0].to_list()) == "fever and cough"
    cut = read_corpus(paths.tokens / "test")["input_ids"][0].to_list()
    assert len(cut) == 16 and cut[-1] == tokenizer.token_to_id("[SEP]"), "a cut note still ends as the model expects"
    metrics = json.loads((paths.metrics / "tokenize.json").read_text())
    assert (metrics["notes"], metrics["truncated_share"], metrics["test_truncated_share"]) == (4, 0.25, 1.0)
    assert json.loads((paths.tokens / "labels.json").read_text()) == ["a"]
    assert json.loads((paths.tokens / "cleaning.json").read_text())["boilerplate"] == ["Not signed."]


def test_too_many_cut_notes_stop_the_run(paths: Paths, tiny_model: Path, params_with: Callable[..., Params]) -> None:
    changes = {"model": {"name": str(tiny_model), "sha256": None}, "tokenize": {"max_tokens": 16, "max_truncated_share": 0.2}}
    with pytest.raises(DataError, match=r"1 of 4 notes are longer than tokenize\.max_tokens = 16"):
        tokenize.run(params_with(**changes), paths)
    assert not (paths.metrics / "tokenize.json").exists()


def test_an_appended_note_costs_its_shard(paths: Paths, tiny_model: Path, params_with: Callable[..., Params]) -> None:
    params = params_with(model={"name": str(tiny_model), "sha256": None}, tokenize={"max_tokens": 16, "max_truncated_share": 1})
    notes = read_corpus(paths.processed / "train")
    many = pl.concat([notes] * 6).with_columns(note_id="n" + pl.int_range(pl.len()).cast(pl.String))
    write_corpus(many.head(10), paths.processed / "train", rows_per_shard=4)
    tokenize.run(params, paths)
    before = {path: path.stat().st_ino for path in (paths.shard_cache / "tokenize").iterdir()}
    write_corpus(many.head(11), paths.processed / "train", rows_per_shard=4)
    tokenize.run(params, paths)
    after = {path: path.stat().st_ino for path in (paths.shard_cache / "tokenize").iterdir()}
    assert before.items() <= after.items() and len(after) == len(before) + 1, "the last shard, which was not full"
    assert read_corpus(paths.tokens / "train")["note_id"].to_list() == many["note_id"].head(11).to_list()
