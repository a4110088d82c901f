"""locks/fingerprint.json: what each stage runs, and nothing that it does not."""

import ast
import re
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from dxtune import fingerprints
from dxtune.code import canonical
from dxtune.fingerprints import current, record, stage_modules
from dxtune.params import Params, read_value
from dxtune.paths import Paths
from tests.conftest import ROOT

With = Callable[..., Params]
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_dvc_takes_all_of_it_and_lists_no_code(params_with: With) -> None:
    assert list(PIPELINE) == ["fingerprint", *fingerprints.STAGES]
    listed = []
    for stage, declared in PIPELINE.items():
        assert not [name for name in declared.get("deps", ()) if name.startswith("src/")], "code counts by its hash"
        taken = [entry[fingerprints.RECORD] for entry in declared.get("params", ()) if isinstance(entry, dict)]
        assert taken == [] if stage == "fingerprint" else taken[0][:2] == [f"code.{stage}", f"packages.{stage}"]
        listed += [key for keys in taken for key in keys]
    made = record(params_with(), Paths(ROOT))
    assert set(listed) == {f"{part}.{name}" for part, values in made.items() for name in values}
    assert all(current(key, params_with(), Paths(ROOT)) == made[key.split(".")[0]][key.split(".")[1]] for key in listed)


def test_packages_are_those_that_a_stage_needs(params_with: With) -> None:
    packages = record(params_with(), Paths(ROOT))["packages"]
    assert {stage for stage, its in packages.items() if "torch" in its} == {"train", "evaluate", "probe", "explain"}
    assert packages["deidentify"].keys() == {"google-re2", "numpy", "polars", "pyarrow", "python", "scipy"}
    assert {"safetensors", "tokenizers", "transformers"} <= packages["train"].keys()
    assert packages["train"]["torch"] == version("torch").partition("+")[0], "the release, not the build"


def test_only_the_source_and_the_task_in_use_count(params_with: With) -> None:
    own = stage_modules("collect", params_with())
    other = stage_modules("collect", params_with(collect={"source": "table", "path": "source"}))
    assert "dxtune.sources.synthetic" in own and "dxtune.sources.table" not in own
    assert "dxtune.sources.table" in other and "dxtune.sources.synthetic" not in other
    train = stage_modules("train", params_with())
    assert "dxtune.tasks.classification" in train and "dxtune.tasks.generation" not in train
    assert not {"dxtune.evaluation.assessment", "dxtune.evaluation.curves", "dxtune.deid"} & train.keys(), (
        "measuring trains nothing"
    )
    assert "dxtune.deid.deidentifier" not in stage_modules("evaluate", params_with()), "tokens have no identifiers"


def test_a_second_opinion_needs_its_packages_and_its_folder(params_with: With, tmp_path: Path) -> None:
    (tmp_path / "voter").mkdir()
    (tmp_path / "voter/config.json").write_text("{}")
    params = params_with(deidentify={"vote": "transformers", "vote_model": "voter"})
    found = record(params, Paths(tmp_path))
    assert {"torch", "transformers", "tokenizers"} <= found["packages"]["deidentify"].keys()
    (tmp_path / "voter/config.json").write_text("{ }")
    assert found["files"]["voter"] not in (None, current("files.voter", params, Paths(tmp_path)))


def test_the_files_of_a_base_model_count(params_with: With, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_model, folder)
    params = params_with(model={"name": str(folder), "sha256": None})
    before = current("files.base_model", params, Paths(tmp_path))
    for name in ("tokenizer.json", "model.safetensors"):
        with (folder / name).open("ab") as file:
            file.write(b" ")
        assert before != (before := current("files.base_model", params, Paths(tmp_path))), name
    (tmp_path / "locks").mkdir()
    (tmp_path / fingerprints.RECORD).write_text('{"files": {"base_model": "as it was elsewhere"}}')
    shutil.rmtree(folder)
    assert current("files.base_model", params, Paths(tmp_path)) == "as it was elsewhere"


def test_modules_are_chosen_at_run_time_in_known_places_only() -> None:
    sources = {path.relative_to(ROOT / "src/dxtune").as_posix(): path.read_text() for path in ROOT.rglob("src/dxtune/**/*.py")}
    choosing = {
        name for name, text in sources.items() if re.search(r"(?<![.\w])(exec|eval)\(|\b(import_module|__import__)\(", text)
    }
    assert choosing == {"cli.py", "sources/__init__.py", "tasks/__init__.py", "deid/build_lexicon.py"}
    nodes = [(name, node) for name, text in sources.items() for node in ast.walk(ast.parse(text))]
    assert not [name for name, node in nodes if getattr(node, "level", None)], "`from . import x` would not be seen"


def test_settings_are_handed_on_as_they_stand(params_with: With) -> None:
    """params.py does not count as code, because it changes no value."""
    assert canonical(params_with().model_dump()) == canonical(read_value((ROOT / "params.yaml").read_text()))
