"""sources/hub.py against folders in the layout of the Hub: what is read, what is refused, and that no copy is left anywhere."""

import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from dxtune import records, shards
from dxtune.errors import DataError, ParamsError
from dxtune.params import Collect, Params, load_params
from dxtune.paths import Paths
from dxtune.sources import hub
from dxtune.stages import collect
from tests.sources import hub_server

ROOT = Path(__file__).parents[2]
SECRET = "SECRET NOTE"  # stands in every note: no message, and no file outside data/raw, may hold it
NAMES = ["cold", "flu"]
FEATURES = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
SPLITS = {"train": [0, 1, 0], "validation": [1], "test": [0, 1]}
CARD = """---
license: cc-by-4.0
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: validation, path: data/validation-*}
  - {split: test, path: data/test-*}
---
# Notes
"""


def parquet(folder: Path, features: datasets.Features = FEATURES, card: str = CARD, **columns: list[Any]) -> Path:
    """A dataset as push_to_hub writes it. columns: others than text and label, the same in each row."""
    (folder / "data").mkdir(parents=True)
    for split, labels in SPLITS.items():
        rows = {"text": [f"{SECRET} {split} {at}" for at in range(len(labels))], "label": labels}
        rows |= {name: values[: len(labels)] for name, values in columns.items()}
        made = datasets.Dataset.from_dict(rows, features=features)
        pq.write_table(made.data.table.cast(features.arrow_schema), folder / f"data/{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(card)
    return folder


def lines(folder: Path, **splits: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def settings(path: Path | str, **changes: Any) -> Collect:
    base = load_params(ROOT / "params.yaml").collect.model_dump()
    return Collect.model_validate(base | {"source": "hub", "path": str(path), "subgroup_columns": ()} | changes)


def read(path: Path, task: str = "classification", **changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    pieces = list(hub.pieces(settings(path, **changes), task))
    batches = [pickle.loads(pickle.dumps(piece)).read() for piece in pieces]
    kept, quarantine = (pl.concat(frames) for frames in zip(*batches, strict=True))
    assert kept.height + quarantine.height == sum(piece.rows for piece in pieces)
    return kept, quarantine


def failure(path: Path, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **changes)
    assert "SECRET" not in str(caught.value)
    return str(caught.value)


# ---- what is read ----


def test_parquet_with_class_labels_and_splits(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "notes")
    kept, quarantine = read(folder)
    assert quarantine.is_empty() and dict(kept.schema) == dict(records.columns("classification"))
    assert kept.select("note_id", "label", "split").rows() == [
        ("train-1", "cold", "train"), ("train-2", "flu", "train"), ("train-3", "cold", "train"),
        ("validation-1", "flu", "validation"), ("test-1", "cold", "test"), ("test-2", "flu", "test"),
    ]  # fmt: skip
    assert kept["text"][5] == f"{SECRET} test 1"
    facts = hub.facts(settings(folder))
    assert facts["licence"] == "cc-by-4.0" and facts["splits"] == "train, validation, test" and facts["files"] == 3
    assert str(tmp_path) not in str(facts)


def test_json_lines_and_csv_without_a_card(tmp_path: Path) -> None:
    rows = [{"text": f"{SECRET} {at}", "label": NAMES[at % 2], "pat": at // 2} for at in range(5)]
    folder = lines(tmp_path / "lines", train=rows[:3], dev=rows[3:])
    kept, _ = read(folder, patient_column="pat")
    assert kept.select("patient_id", "split").rows() == [
        ("0", "train"),
        ("0", "train"),
        ("1", "train"),
        ("1", "validation"),
        ("2", "validation"),
    ]
    (tmp_path / "csv").mkdir()
    pl.DataFrame(rows).write_csv(tmp_path / "csv/train.csv")
    assert read(tmp_path / "csv")[0]["text"].to_list() == [row["text"] for row in rows]
    assert hub.facts(settings(folder))["licence"] == "unknown"


def test_a_configuration_and_splits_by_other_names(tmp_path: Path) -> None:
    folder = lines(tmp_path, a=[{"text": "a", "label": "x"}], b=[{"text": "b", "label": "x"}], c=[{"text": "c", "label": "y"}])
    files = [{"split": name, "path": f"{name}.jsonl"} for name in ("a", "b", "c")]
    configs = [{"config_name": "one", "data_files": files[:1]}, {"config_name": "all", "data_files": files}]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    named = {"train": "c", "validation": "a", "test": "b"}
    kept = read(folder, hub_config="all", splits=named)[0]
    assert kept.select("text", "split").rows() == [("c", "train"), ("a", "validation"), ("b", "test")]
    assert read(folder, hub_config="one")[0].select("text", "split").rows() == [("a", None)]
    assert "collect.splits.test = 'z': expected one of the dataset's splits, a, b, c" in failure(
        folder, hub_config="all", splits=named | {"test": "z"}
    )
    assert "expected the configuration 'none'" in failure(folder, hub_config="none")
    assert "expected the configuration None" in failure(folder)


def test_lists_of_class_labels_and_nested_columns(tmp_path: Path) -> None:
    features = datasets.Features(
        {**FEATURES, "codes": datasets.List(datasets.ClassLabel(names=["A", "B"])), "note": {"body": datasets.Value("string")}}
    )
    folder = parquet(tmp_path / "n", features, codes=[[1, 0], [], [0]], note=[{"body": f"b{at}"} for at in range(3)])
    kept, _ = read(folder, "multilabel", label_column="codes", text_column="note.body")
    assert kept["labels"].to_list()[:3] == [["A", "B"], [], ["A"]] and kept["text"][1] == "b1"


def test_an_id_of_minus_one_is_no_label_and_an_id_without_a_name_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SPLITS, "test", [-1, 1])
    kept, quarantine = read(parquet(tmp_path / "hidden"))
    assert quarantine.rows() == [("test", 1, "test-1", "missing label")] and kept.height == 5
    folder = parquet(tmp_path / "high")
    schema = FEATURES.arrow_schema
    table = pa.table({"text": [SECRET], "label": [7]}, schema=schema)
    pq.write_table(table, folder / "data/test-00000-of-00001.parquet")
    assert "split test, column 'label': expected ids below 2" in failure(folder)


def test_pieces_are_the_same_however_the_split_is_cut_into_files_and_appending_leaves_old_ones(tmp_path: Path) -> None:
    rows = [{"text": f"{SECRET} {at}", "label": NAMES[at % 2]} for at in range(2 * shards.ROWS_PER_SHARD + 10)]
    one = parquet_files(tmp_path / "one", [rows])
    three = parquet_files(tmp_path / "three", [rows[:1500], rows[1500:1501], rows[1501:]])
    keys = [piece.key for piece in hub.pieces(settings(one), "classification")]
    assert [piece.rows for piece in hub.pieces(settings(one), "classification")] == [4000, 4000, 10]
    more = parquet_files(tmp_path / "more", [rows, rows[:5]])
    assert [piece.key for piece in hub.pieces(settings(more), "classification")][:2] == keys[:2]
    assert read(one)[0].equals(read(three)[0])


def parquet_files(folder: Path, files: list[list[dict[str, Any]]]) -> Path:
    (folder / "data").mkdir(parents=True)
    for at, rows in enumerate(files):
        pl.DataFrame(rows).write_parquet(folder / f"data/train-{at:05d}-of-{len(files):05d}.parquet")
    return folder


@pytest.mark.parametrize("split", ["predefined", "stratified"])
def test_the_stage_collects_it_whatever_decides_the_split(tmp_path: Path, split: str) -> None:
    values = load_params(ROOT / "params.yaml").model_dump()
    values["collect"] = settings(parquet(tmp_path / "notes")).model_dump()
    values["preprocess"] |= {"split": split}
    collect.run(Params.model_validate(values), Paths(tmp_path))
    assert shards.read_corpus(tmp_path / "data/raw")["split"].to_list() == ["train"] * 3 + ["validation"] + ["test"] * 2


def test_nothing_is_written_outside_of_the_folder_and_nothing_is_fetched(tmp_path: Path) -> None:
    """In a process of its own, whose home and temporary folders are empty before, and whose sockets are watched."""
    home, folder = tmp_path / "home", parquet(tmp_path / "notes")
    home.mkdir()
    lines(folder / "more", train=[{"text": SECRET, "label": "flu"}])
    before = sorted(tmp_path.rglob("*"))
    script = """
import json, socket, sys
def refuse(*args, **kwargs): raise AssertionError("a connection")
socket.socket.connect = socket.create_connection = refuse
from dxtune.params import Collect
from dxtune.sources import hub
for given in sys.argv[1:]:
    settings = Collect.model_validate_json(given)
    rows = sum(piece.read().records.height for piece in hub.pieces(settings, "classification"))
    print(rows, hub.facts(settings)["licence"])
"""
    given = [settings(path).model_dump_json() for path in (folder, folder / "more")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    env = kept | {"HOME": str(home), "TMPDIR": str(home), "HF_HOME": str(home / "hf"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *given], env=env, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["6 cc-by-4.0", "1 unknown"]
    assert sorted(tmp_path.rglob("*")) == before


READ = """
import sys
from dxtune.errors import DataError
from dxtune.params import Collect
from dxtune.sources import hub
settings = Collect.model_validate_json(sys.argv[1])
try:
    print([piece.read().records["label"].to_list() for piece in hub.pieces(settings, "classification")])
    print(hub.facts(settings))
except DataError as error:
    print(error)
"""


def read_from_hub(folder: Path, home: Path, **changes: Any) -> str:
    """What READ prints in a process of its own, for which a server on this machine is the Hub."""
    server = hub_server.serve(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    given = settings("data", hub_name="owner/name", **({"hub_revision": hub_server.COMMIT} | changes)).model_dump_json()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "XDG_")) and "proxy" not in name.lower()
    }
    env = kept | {"HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    try:
        command = [sys.executable, "-c", READ, given]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_pinned_dataset_of_a_hub_is_streamed_and_only_its_card_is_kept(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    said = read_from_hub(parquet(tmp_path / "notes"), tmp_path / "home").splitlines()
    assert said[0] == "[['cold', 'flu', 'cold', 'flu', 'cold', 'flu']]"
    assert f"'dataset': 'owner/name', 'revision': '{hub_server.COMMIT}'" in said[1] and "'licence': 'cc-by-4.0'" in said[1]
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes() or path.suffix in (".parquet", ".arrow")]


def test_a_revision_or_a_script_that_the_hub_has(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    folder = parquet(tmp_path / "notes")
    assert f"expected the commit {'b' * 40}, found none" in read_from_hub(folder, tmp_path / "home", hub_revision="b" * 40)
    (folder / "name.py").write_text("raise SystemExit(1)")
    assert "found a loading script: code of a dataset is never run" in read_from_hub(folder, tmp_path / "home")


# ---- what is refused ----


def test_an_absent_column_is_named_and_the_likely_one_too(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "notes")
    assert "expected the column 'Text', found text, label: did you mean 'text'? Set collect.text_column" in failure(
        folder, text_column="Text"
    )
    assert "expected the column 'sex'" in failure(folder, subgroup_columns=("sex",))


def test_code_of_a_dataset_is_never_run(tmp_path: Path) -> None:
    folder = lines(tmp_path / "notes", train=[{"text": "a", "label": "x"}])
    ran = tmp_path / "ran"
    (folder / "notes.py").write_text(f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n")
    assert "found the loading script notes.py: code of a dataset is never run" in failure(folder)
    assert not ran.exists()


def test_other_kinds_of_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(SECRET)
    assert "expected parquet, csv, json files, found a dataset of the kind text" in failure(tmp_path)


def test_files_outside_of_the_dataset_are_refused(tmp_path: Path) -> None:
    lines(tmp_path / "elsewhere", train=[{"text": SECRET, "label": "x"}])
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "README.md").write_text("---\nconfigs:\n- {config_name: default, data_files: ../elsewhere/train.jsonl}\n---\n")
    assert "found one that is elsewhere" in failure(folder)
    (folder / "README.md").unlink()
    (folder / "train.jsonl").symlink_to(tmp_path / "elsewhere/train.jsonl")
    assert "found one that is elsewhere" in failure(folder)


def test_folders_without_data_and_broken_files(tmp_path: Path) -> None:
    assert "expected a folder in the layout of the Hub, found none" in failure(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "expected data files such as" in failure(tmp_path / "empty")
    folder = parquet(tmp_path / "cut")
    file = folder / "data/test-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    assert "split test: expected parquet, csv, json files that can be read" in failure(folder)
    folder = lines(tmp_path / "json")
    (folder / "train.jsonl").write_text('{"text": "' + SECRET + '", "label": "x"}\n{"text": "' + SECRET)
    assert "split train: expected" in failure(folder)
    (folder / "train.jsonl").write_text("")
    assert "split train: expected" in failure(folder)


def test_the_hub_that_cannot_be_reached_is_a_data_error(tmp_path: Path) -> None:  # HF_HUB_OFFLINE is set: the real call fails
    said = failure(tmp_path, hub_name="owner/name", hub_revision="0" * 40)
    assert "collect.hub_name = owner/name: could not be found or fetched" in said and "network" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hub_name": "owner/name"}, r"hub_revision = None: expected a commit hash of 40 hex digits"),
        ({"hub_name": "owner/name", "hub_revision": "main"}, r"hub_revision = 'main'.*copy the hash"),
        ({"hub_name": "owner/name", "hub_revision": "A" * 40}, r"expected a commit hash"),
        ({"hub_name": "../name", "hub_revision": "0" * 40}, r"hub_name = '../name': expected an id such as owner/name"),
        ({"hub_revision": "0" * 40}, r"hub_revision is set, but not hub_name"),
        ({"source": "table", "hub_config": "x"}, r"only for collect.source: hub"),
    ],
)
def test_a_dataset_is_pinned(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    values = load_params(ROOT / "params.yaml").model_dump(mode="json")
    values["collect"] = settings(tmp_path, **changes).model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ParamsError, match=says):
        load_params(tmp_path / "params.yaml")
