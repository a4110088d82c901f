"""`dxtune lineage`: every row against dvc.lock, and PROV-JSON against the W3C's own reader's rules, with the package prov."""

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from prov.model import ProvActivity, ProvDerivation, ProvDocument, ProvEntity, ProvGeneration, ProvUsage

from dxtune.errors import DataError
from dxtune.lineage import trace
from dxtune.lineage.trace import Lineage
from tests.conftest import ROOT
from tests.verifying.conftest import Project, start


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return start(tmp_path_factory.mktemp("lineage") / "project")


@pytest.fixture(autouse=True)
def _there(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(project.root)
    yield
    project.run("git", "checkout", "--quiet", "--force", ".")


def md5(project: Project, name: str) -> str:
    return hashlib.md5((project.root / name).read_bytes()).hexdigest()


def test_a_metric_back_to_the_source(project: Project) -> None:
    told = json.loads(project.run("dxtune", "lineage", "metrics/evaluate.json:test.macro_f1", "--json"))
    assert (told["target"], told["value"]) == ("metrics/evaluate.json:test.macro_f1", 0.75)
    assert told["output"] == {
        "path": "metrics/evaluate.json",
        "md5": md5(project, "metrics/evaluate.json"),
        "made_by": "evaluate",
    }
    assert told["state"] == "as dvc.lock says"
    assert told["commit"] == project.run("git", "rev-parse", "HEAD").strip()
    assert [step["stage"] for step in told["steps"]] == ["evaluate", "train", "deidentify", "collect"], "and not probe"
    train = told["steps"][1]
    assert train["cmd"] == "python make.py train" and train["settings"] == {"train.lr": 0.0002}
    assert train["fingerprints"] == {
        "code.train": json.loads((project.root / "locks/fingerprint.json").read_text())["code"]["train"]
    }
    assert train["packages"]["torch"] == version("torch").partition("+")[0]
    assert [file["made_by"] for file in train["read"]] == ["deidentify", None]
    assert {(file["path"], file["md5"]) for file in told["sources"]} == {
        (name, md5(project, name)) for name in ("make.py", "source/notes.csv")
    }


def test_the_model_is_what_is_asked_for_by_default(project: Project) -> None:
    lines = project.run("dxtune", "lineage").splitlines()
    assert lines[0] == "models/final" and lines[1].endswith(", as dvc.lock says")
    assert "train: python make.py train" in lines and "  settings train.lr = 0.0002" in lines
    assert any(line.startswith("  read     data/raw (md5 ") and line.endswith(".dir) of collect") for line in lines)
    assert "sources" in lines and not any(line.startswith("evaluate:") for line in lines)


def test_what_lies_here_may_be_another_file_than_the_one_that_was_recorded(project: Project) -> None:
    project.write("metrics/evaluate.json", "{}")
    project.write("dvc.lock", (project.root / "dvc.lock").read_text() + "\n")
    found = trace("metrics/evaluate.json")
    assert (found.state, found.commit) == ("changed since dvc.lock was written", None)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("models/fina", "'models/fina': for example models/final"),
        ("make.py", "expected a file that a stage of dvc.lock wrote"),
        ("metrics/evaluate.json:test.f1", "expected a metric, found 'test.f1': for example test.macro_f1"),
    ],
)
def test_a_target_that_is_not_there_is_told_with_others_that_are(target: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        trace(target)
    assert says in str(error.value)


def test_prov_json_is_read_by_the_package_prov(project: Project) -> None:
    document = ProvDocument.deserialize(
        content=project.run("dxtune", "lineage", "models/final/weights", "--prov"), format="json"
    )
    counts = {kind: len(list(document.get_records(kind))) for kind in (ProvEntity, ProvActivity)}
    found = trace("models/final/weights")
    assert counts == {ProvEntity: len(files_of(found)), ProvActivity: 3}
    edges = {kind: len(list(document.get_records(kind))) for kind in (ProvUsage, ProvGeneration, ProvDerivation)}
    assert edges == {
        ProvUsage: sum(len(step.read) for step in found.steps),
        ProvGeneration: sum(len(step.wrote) for step in found.steps),
        ProvDerivation: sum(len(step.read) * len(step.wrote) for step in found.steps),
    }
    again = ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
    assert again == document, "and written again it is the same"
    (train,) = (record for record in document.get_records(ProvActivity) if str(record.identifier) == "dxtune:stage/train")
    assert ("dxtune:train.lr", 0.0002) in {(str(name), value) for name, value in train.attributes}


def files_of(lineage: Lineage) -> set[str]:
    return {file.path for step in lineage.steps for file in (*step.read, *step.wrote)}


def test_the_default_run_is_known_back_to_its_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = trace("models/final")
    assert {"train", "tokenize", "preprocess", "deidentify", "collect"} <= {step.stage for step in found.steps}
    assert ("Source", "synthetic") in found.origin
    assert "src/dxtune/sources/synthetic.yaml" in {file.path for file in found.sources}
