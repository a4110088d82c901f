"""The workflow, the hook and the docs name commands that there are."""

import re

import pytest
import typer
import yaml

from dxtune.cli import app
from tests.conftest import ROOT

WORKFLOW, HOOK = ".github/workflows/verify.yml", ".pre-commit-config.yaml"


@pytest.mark.parametrize("name", [WORKFLOW, HOOK, "docs/verify.md", "docs/teamwork.md", "README.md"])
def test_every_command_and_option_exists(name: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    text = (ROOT / name).read_text(encoding="utf-8")
    told = re.findall(r"""(?m)(?:^ {4,}|[`"]|: |exec )dxtune ([a-z][a-z-]*)((?: --[a-z-]+| [\w./%:]+)*)""", text)
    assert told
    for verb, rest in told:
        assert verb in commands, verb
        options = {option for parameter in commands[verb].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (verb, rest)


def test_the_workflow_can_only_read_and_comment_and_waits_for_a_runner() -> None:
    workflow = yaml.safe_load((ROOT / WORKFLOW).read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    job = workflow["jobs"]["verify"]
    assert "vars.DXTUNE_RUNNER != ''" in job["if"] and "head.repo.full_name == github.repository" in job["if"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert all("${{" not in step for step in steps), "names from outside go through env"
    (hook,) = yaml.safe_load((ROOT / HOOK).read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert hook["entry"] == "dxtune verify --staged" and hook["always_run"] and not hook["pass_filenames"]
