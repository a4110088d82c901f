"""Gates, numbers, base model and packages."""

import json

import pytest

from dxtune.verifying.project import Project as Checked
from dxtune.verifying.results import base_model, finite, gates, packages
from tests.verifying.conftest import Project

SHA = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_a_failed_gate_is_told_and_with_gates_an_error(project: Project) -> None:
    checked = Checked()
    told = gates(checked, required=False)
    assert (told.status, told.note) == ("ok", "0 of 1 passed, not required (--gates)")
    (finding,) = gates(checked, required=True).findings
    assert "macro_f1_low is 0.700, wanted is at least 0.8" in str(finding)
    project.write("metrics/evaluate.json", "{}")
    assert gates(checked, required=True).status == "FAILED", "no decision is no release"
    (project.root / "metrics/evaluate.json").unlink()
    assert gates(checked, required=True).status == "skipped"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_json_cannot_hold_is_found_in_metrics(project: Project, value: str) -> None:
    project.write("metrics/evaluate.json", f'{{"a NaN": 1,\n "b": {value}}}\n')
    (finding,) = finite(Checked()).findings
    assert (finding.file, finding.found) == ("metrics/evaluate.json:2", value)


def test_plots_hold_numbers_or_words(project: Project) -> None:
    project.write("metrics/plots/loss.csv", "step,loss,word\n1,,nan\n2,inf,cough\n")
    assert [(f.file, f.found) for f in finite(Checked()).findings] == [("metrics/plots/loss.csv:3", "inf")]


def test_a_base_model_that_can_move_is_found(project: Project) -> None:
    assert base_model(Checked()).status == "ok"
    project.change("params.yaml", f"sha256: {SHA}", "sha256: null")
    (finding,) = base_model(Checked()).findings
    assert "pinned by model.revision or model.sha256, found neither" in str(finding)
    project.write("metrics/train.json", json.dumps({"base_model_sha256": SHA}))
    (finding,) = base_model(Checked()).findings
    assert finding.remedy == f"set model.sha256 to {SHA}, which train used"


def test_packages_of_other_versions_are_found(project: Project) -> None:
    assert packages(Checked()).findings == []
    project.write("requirements.lock", "# pins\npolars==0.2\nno-such-package==1\n")
    assert [f.file for f in packages(Checked()).findings] == ["requirements.lock: polars"]
