"""The stage deidentify on real files: what it writes, its key, and that it stops at a leak without quoting it."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dxtune import records, shards
from dxtune.deid import Deidentifier, key, shard
from dxtune.errors import DataError, LeakageError, ParamsError
from dxtune.params import Params, load_params
from dxtune.paths import Paths
from dxtune.stages import deidentify

ROOT = Path(__file__).parents[2]
NOTE = "Mr. Quillfeather (MRN 441772) came on 3/4/2019 with fever."


def frame(**columns: object) -> pl.DataFrame:
    row = {"note_id": "n1", "patient_id": "p1", "note_date": "2019-03-04", "text": NOTE, "label": "influenza", "split": None}
    rows = [row, {**row, "note_id": "n2", "note_date": None, "text": "Quillfeather is better."}]
    return pl.DataFrame(rows, schema=records.RAW).with_columns(**{name: pl.lit(value) for name, value in columns.items()})


def with_gold(start: int, end: int) -> pl.DataFrame:
    gold = pl.Series("gold_spans", [[{"start": start, "end": end, "type": "NAME"}], []], dtype=records.GOLD_SPANS)
    return frame(sex="f").with_columns(gold, posterior=pl.lit([0.5, 0.5]))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    for name in ("DXTUNE_DEID_KEY", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)

    def make(source: str = "synthetic", **changes: object) -> Params:
        params = load_params(ROOT / "params.yaml")
        collect = params.collect.model_copy(update={"source": source, "subgroup_columns": ("sex",)})
        return params.model_copy(update={"collect": collect, "deidentify": params.deidentify.model_copy(update=changes)})

    return make


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    shards.write_corpus(frame(sex="f", secret="Quillfeather"), tmp_path / "data/raw")
    return Paths(tmp_path)


def metrics(paths: Paths) -> dict[str, object]:
    found: dict[str, object] = json.loads((paths.metrics / "deidentify.json").read_text())
    return found


def test_it_writes_pseudonyms_years_and_clean_texts(paths: Paths, settings: Callable[..., Params]) -> None:
    deidentify.run(settings(), paths)
    out = shards.read_corpus(paths.deidentified)
    assert out.columns == [*records.DEIDENTIFIED, "sex"]
    assert out["text"].to_list() == ["Mr. [NAME] (MRN [MRN]) came on [DATE-2019] with fever.", "[NAME] is better."]
    assert out["note_year"].to_list() == ["2019", None]
    assert out["note_id"].n_unique() == 2 and out["patient_id"].n_unique() == 1
    assert not {"n1", "n2", "p1"} & {*out["note_id"], *out["patient_id"]}
    assert metrics(paths)["notes"] == 2
    assert metrics(paths)["spans_NAME"] == 2
    assert "Quillfeather" not in "".join(path.read_text(errors="ignore") for path in paths.metrics.rglob("*.json"))


def test_the_same_input_gives_the_same_bytes(paths: Paths, settings: Callable[..., Params]) -> None:
    outputs = []
    for _ in range(2):
        deidentify.run(settings(), paths)
        files = [*sorted(paths.deidentified.iterdir()), paths.metrics / "deidentify.json"]
        outputs.append([file.read_bytes() for file in files])
    assert outputs[0] == outputs[1]


def test_gold_spans_are_scored_and_stop_here(paths: Paths, settings: Callable[..., Params]) -> None:
    shards.write_corpus(with_gold(4, 16), paths.raw)
    deidentify.run(settings(), paths)
    assert shards.read_corpus(paths.deidentified).columns == [*records.DEIDENTIFIED, "sex", "posterior"]
    found = metrics(paths)
    assert (found["gold_spans"], found["full_recall"], found["full_recall_by_type"]) == (1, 1.0, {"NAME": 1.0})


def test_too_low_a_recall_is_a_leak(paths: Paths, settings: Callable[..., Params]) -> None:
    shards.write_corpus(with_gold(len(NOTE) - 6, len(NOTE)), paths.raw)
    with pytest.raises(LeakageError, match="min_full_recall") as caught:
        deidentify.run(settings(), paths)
    assert "Quillfeather" not in str(caught.value)
    assert not paths.deidentified.exists()


def test_what_is_left_is_a_leak_that_is_not_quoted(
    paths: Paths, settings: Callable[..., Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "spans_of", lambda engine, raw, table: [[] for _ in range(raw.height)])
    with pytest.raises(LeakageError, match="MRN") as caught:
        deidentify.run(settings(), paths)
    assert "n-" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("441772", "3/4", "Quillfeather", "n1"))
    assert not paths.deidentified.exists()


def test_an_empty_text_is_an_error(paths: Paths, settings: Callable[..., Params]) -> None:
    shards.write_corpus(frame().with_columns(text=pl.lit(None, dtype=pl.String)), paths.raw)
    with pytest.raises(DataError, match="text"):
        deidentify.run(settings(), paths)


def test_a_secret_key_is_asked_for_with_the_remedy(paths: Paths, settings: Callable[..., Params]) -> None:
    with pytest.raises(ParamsError, match="dxtune key"):
        deidentify.run(settings("table", key="secret"), paths)


def test_key_file_must_be_private_and_long(paths: Paths, settings: Callable[..., Params]) -> None:
    file = paths.root / "dxtune.key"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    file.chmod(0o644)
    with pytest.raises(DataError, match="chmod 600"):
        deidentify.run(settings("table", key="secret"), paths)
    file.chmod(0o600)
    with pytest.raises(ParamsError, match="run `dxtune key`"):
        deidentify.run(settings("table", key="secret"), paths)
    key.record(paths.root, key.secret_key(paths.root))
    deidentify.run(settings("table", key="secret"), paths)
    assert metrics(paths)["key_fingerprint"] == Deidentifier(b"0123456789abcdef0123456789abcdef").key_fingerprint
    file.write_text("short")
    with pytest.raises(DataError, match="16 or more") as caught:
        deidentify.run(settings("table", key="secret"), paths)
    assert "short" not in str(caught.value)


def test_the_key_of_the_environment_and_of_dvc_root(
    paths: Paths, settings: Callable[..., Params], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("root")
    (elsewhere / "dxtune.key").write_text("k" * 32)
    (elsewhere / "dxtune.key").chmod(0o600)
    monkeypatch.setenv("DVC_ROOT", str(elsewhere))
    fingerprints = []
    for setup in ({}, {"DXTUNE_DEID_KEY": "e" * 32}):
        for name, value in setup.items():
            monkeypatch.setenv(name, value)
        key.record(paths.root, key.secret_key(paths.root))
        deidentify.run(settings("table", key="secret"), paths)
        fingerprints.append(metrics(paths)["key_fingerprint"])
    deidentify.run(settings("table", key="public"), paths)
    assert len({*fingerprints, metrics(paths)["key_fingerprint"]}) == 3


def test_the_key_command_makes_a_private_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DXTUNE_DEID_KEY", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    assert key.create(tmp_path) and not key.create(tmp_path)
    assert (tmp_path / "dxtune.key").stat().st_mode & 0o777 == 0o600
    secret = key.secret_key(tmp_path)
    assert len(secret) == 64
    fingerprint = key.record(tmp_path, secret)
    assert (
        fingerprint in (tmp_path / "locks/key.json").read_text()
        and secret.decode() not in (tmp_path / "locks/key.json").read_text()
    )
    assert key.recorded_key(tmp_path) == secret


def test_values_of_identifier_columns_are_masked_and_go_no_further(tmp_path: Path, settings: Callable[..., Params]) -> None:
    notes = frame(sex="f", who="Fever Quillfeather", number="00-771", split="train")
    texts = ["Mr. Smith came with FEVER. Ask Fever about 771.", "quillfeather improved."]
    shards.write_corpus(notes.with_columns(text=pl.Series(texts)), tmp_path / "data/raw")
    params = settings("table", key="public")
    params = params.model_copy(update={"collect": params.collect.model_copy(update={"identifier_columns": ("who", "number")})})
    paths = Paths(tmp_path)
    deidentify.run(params, paths)
    out = shards.read_corpus(paths.deidentified)
    assert not {"who", "number"} & set(out.columns)
    assert not any(word in text.lower() for text in out["text"] for word in ("fever", "771", "quillfeather"))


def test_the_audit_table_says_where_and_why_without_text(paths: Paths, settings: Callable[..., Params]) -> None:
    deidentify.run(settings(), paths)
    table = shards.read_corpus(paths.audit)
    assert dict(table.schema) == dict(records.AUDIT)
    assert [NOTE[a:b] for a, b in table.filter(pl.col("note_id") == table["note_id"][0]).select("start", "end").iter_rows()] == [  # noqa: E501
        "Quillfeather", "441772", "3/4/2019",
    ]  # fmt: skip
    assert table["rule"].to_list()[1:3] == ["grammar", "grammar"]
    same = table.filter(pl.col("type") == "NAME")["value"]
    assert same.len() == 2 and same.n_unique() == 1, "equal values have equal hashes"
    assert not any(b"Quillfeather" in path.read_bytes() for path in paths.audit.iterdir())


def test_a_patient_called_like_a_verb_or_a_type_stops_nothing(tmp_path: Path, settings: Callable[..., Params]) -> None:
    notes = frame(sex="f", who="Will Date", split="train")
    texts = ["Will came on 3/4. He will return.", "DATE of visit: 3/4. Will improve."]
    shards.write_corpus(notes.with_columns(text=pl.Series(texts)), tmp_path / "data/raw")
    params = settings("table", key="public")
    params = params.model_copy(update={"collect": params.collect.model_copy(update={"identifier_columns": ("who",)})})
    deidentify.run(params, Paths(tmp_path))
    first, second = shards.read_corpus(tmp_path / "data/deidentified")["text"]
    assert first.startswith("[NAME] came") and first.endswith("He will return.")
    assert "Will" not in second and "improve" in second


def test_a_known_value_that_is_left_is_a_leak(
    tmp_path: Path, settings: Callable[..., Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    shards.write_corpus(frame(sex="f", who="Fever").with_columns(text=pl.lit("Fever and cough.")), tmp_path / "data/raw")
    params = settings("table", key="public")
    params = params.model_copy(update={"collect": params.collect.model_copy(update={"identifier_columns": ("who",)})})
    monkeypatch.setattr("dxtune.deid.engine._mask_known", lambda *_: None)
    with pytest.raises(LeakageError, match="KNOWN") as caught:
        deidentify.run(params, Paths(tmp_path))
    assert "Fever" not in str(caught.value)
