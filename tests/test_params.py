"""params.py: what it accepts, and what it says when it does not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dxtune.errors import ParamsError
from dxtune.params import Params, load_params
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def load(folder: Path, text: str) -> Params:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return load_params(folder / "params.yaml")


def test_the_projects_own_settings_are_valid_and_each_has_a_comment_and_a_description() -> None:
    params = load_params(ROOT / "params.yaml")
    for line in TEXT.splitlines():
        if line.startswith(("  ", "task:")):
            assert " # " in line, f"no comment: {line}"
    sections = {name: field for name, field in Params.model_fields.items() if name != "task"}
    for name, section in sections.items():
        fields = section.annotation.model_fields  # type: ignore[union-attr]
        assert all(field.description for field in fields.values()), name
        assert all(field.is_required() for field in fields.values()), f"{name}: a default would be written twice"
    assert 40 <= sum(len(getattr(params, name).model_dump()) for name in sections) <= 85


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task": "classify"}, r"task = 'classify'.*'classification'.* task: What the model learns"),
        ({"evaluate": {"targets": {"risk": 0.1, "coverage": 0.9}}}, r"evaluate.targets needs.*found coverage, risk; write"),
        ({"evaluate": {"targets": {"recall": 0.1}}}, r"evaluate.targets.*'sensitivity'"),
        (
            {"evaluate": {"gates": {"macro_f1": 0.8}}},
            r"evaluate.gates.macro_f1.*pattern.*evaluate.gates: What a model must reach",
        ),
        ({"task": "generation"}, r"task: generation needs notes of your own"),
        ({"task": "question-answering", "collect": {"source": "table"}}, r"needs collect\.question_column"),
        (
            {"task": "generation", "collect": {"source": "table"}, "tokenize": {"long_notes": "windows"}},
            r"set tokenize\.long_notes to truncate or head_tail",
        ),
        (
            {"task": "generation", "collect": {"source": "table"}, "model": {"method": "head"}},
            r"model\.method: head needs a task with a head",
        ),
        (
            {"task": "generation", "collect": {"source": "table"}, "train": {"domain_adaptation_epochs": 1}},
            r"train\.domain_adaptation_epochs is for encoders.*set it to 0, or correct task",
        ),
        ({"train": {"accelerate": "recipes/accelerate/fsdp.yaml"}}, r"set train\.processes to their number, or it to null"),
        ({"train": {"window_pooling": "learned"}}, r"window_pooling: learned needs tokenize\.long_notes: windows, and task"),
        ({"train": {"packing": True}}, r"train\.packing is only for task: generation"),
        ({"train": {"canaries": 20}}, r"train\.canaries is only for task: generation.*set it to 0"),
        (
            {"task": "question-answering", "collect": {"source": "table", "question_column": "q"}},
            r"set tokenize\.long_notes: windows",
        ),
        ({"tokenize": {"long_notes": "windows", "stride": 200}}, r"tokenize\.stride must be below half"),
        ({"collect": {"label_separator": ";"}}, r"collect\.label_separator is only for task: multilabel"),
        ({"collect": {"answer_start_column": "start"}}, r"only for task: question-answering"),
    ],
)
def test_task_and_its_columns_go_together(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    values = yaml.safe_load(TEXT)
    for name, value in changes.items():
        values[name] = {**values[name], **value} if isinstance(value, dict) else value
    with pytest.raises(ParamsError, match=says):
        load(tmp_path, yaml.safe_dump(values))


@pytest.mark.parametrize("written", ["3e-05", "3e-5", "0.00003", "3.0E-05"])
def test_numbers_as_dvc_writes_them_are_floats(tmp_path: Path, written: str) -> None:
    assert yaml.safe_load("3e-05") == "3e-05", "why a loader of our own is needed"
    assert load(tmp_path, TEXT.replace("lr: 2e-4", f"lr: {written}").replace("lr: 3e-4", f"lr: {written}")).train.lr == 3e-5


@given(st.floats(min_value=1e-9, max_value=1.0, allow_nan=False))
def test_any_float_comes_back(value: float) -> None:
    from dxtune.params import _Loader

    for text in (repr(value), f"{value:.17g}", f"{value:e}".upper()):
        loaded = yaml.load(text, Loader=_Loader)
        assert loaded == pytest.approx(value, rel=1e-6)
        assert isinstance(loaded, (float, int))


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        ("train", "lr", "abc", ["train.lr", "'abc'", "number", "Peak learning rate"]),
        ("train", "lr", 0, ["train.lr", "greater than 0"]),
        ("train", "epochs", 0, ["train.epochs", "greater than 0"]),
        ("train", "precision", "fp8", ["train.precision", "fp8", "'bf16'"]),
        ("train", "lrr", 1, ["unknown key train.lrr", "did you mean train.lr?"]),
        ("train", "zzzzzz", 1, ["unknown key train.zzzzzz", "allowed here"]),
        ("model", "sha256", "123", ["model.sha256", "pattern"]),
        ("preprocess", "split", "predefined", ["preprocess.split", "collect.splits"]),
        ("preprocess", "test_share", 0.9, ["preprocess.test_share", "lower one"]),
        ("collect", "split_column", "fold", ["preprocess.split", "predefined"]),
        ("collect", "splits", {"train": "a.csv"}, ["preprocess.split"]),
    ],
)
def test_a_wrong_setting_is_explained(tmp_path: Path, section: str, key: str, value: Any, says: list[str]) -> None:
    values = yaml.safe_load(TEXT)
    values[section][key] = value
    with pytest.raises(ParamsError) as caught:
        load(tmp_path, yaml.safe_dump(values))
    assert all(words in str(caught.value) for words in says), str(caught.value)


def test_a_missing_key_section_or_file_is_explained(tmp_path: Path) -> None:
    values = yaml.safe_load(TEXT)
    del values["train"]["lr"], values["report"]
    with pytest.raises(ParamsError, match=r"train\.lr is missing(.|\n)*report is missing"):
        load(tmp_path, yaml.safe_dump(values))
    with pytest.raises(ParamsError, match="no such file"):
        load_params(tmp_path / "none.yaml")
    with pytest.raises(ParamsError, match=r"line 1 is not YAML|line 2 is not YAML"):
        load(tmp_path, "train: [\n")
    with pytest.raises(ParamsError, match="expected sections"):
        load(tmp_path, "3\n")


def test_settings_cannot_be_changed() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.train.lr = 1.0  # type: ignore[misc]
