"""`dxtune verify` as people and programs run it: exit codes, lines, JSON, the hook of git, a second build."""

import json
import stat

from tests.verifying.conftest import Project

CHECKS = ["lock", "fingerprint", "in git", "outputs", "gates"]
CHECKS += ["raw notes", "identifiers", "remotes", "base model", "numbers", "packages"]


def test_a_line_a_check_and_exit_code_0(project: Project) -> None:
    lines = project.run("dxtune", "verify").splitlines()
    assert [line[9:22].strip() for line in lines] == CHECKS
    assert {line.split()[0] for line in lines} == {"ok"}


def test_exit_code_1_and_json_where_a_check_fails(project: Project) -> None:
    project.change("params.yaml", "lr: 2e-4", "lr: 3e-4")
    told = json.loads(project.run("dxtune", "verify", "--gates", "--json", code=1))
    assert not told["passed"] and list(told["checks"]) == CHECKS
    assert {name for name, check in told["checks"].items() if check["status"] == "failed"} == {"lock", "gates"}
    (finding,) = told["checks"]["lock"]["findings"]
    assert finding["file"] == "train: params.yaml: train.lr" and finding.keys() == {"file", "expected", "found", "remedy"}


def test_exit_code_2_on_wrong_usage_and_1_where_there_is_no_project(project: Project) -> None:
    assert "--staged" in project.run("dxtune", "verify", "--staged", "--twice", code=2)
    assert "expected a dvc.yaml here" in Project(project.root.parent).run("dxtune", "verify", code=1)


def test_the_hook_refuses_what_looks_like_phi_and_raw_notes(project: Project) -> None:
    hook = project.root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexec dxtune verify --staged\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    project.write("README.md", "The team's notes are in the EHR.\n")
    project.commit("fine")
    head = project.run("git", "rev-parse", "HEAD")
    project.write("README.md", "Call 617-555-0142.\n")
    project.run("git", "add", "--force", "README.md", "data/raw/notes.txt")
    said = project.run("git", "commit", "--message", "PHI", code=1)
    assert "FAILED   staged       2 found" in said and "README.md:1" in said and "data/raw/notes.txt" in said
    assert "0142" not in said and project.run("git", "rev-parse", "HEAD") == head
    project.run("git", "rm", "--quiet", "--cached", "data/raw/notes.txt")
    project.write("README.md", "Call the ward.\n")
    assert "README.md:1" in project.run("git", "commit", "--message", "PHI", code=1), "what counts is what was added"
    project.commit("the ward")


def test_a_second_build_names_the_first_byte_that_differs(project: Project) -> None:
    assert "7 outputs built again, the same bytes" in project.run("dxtune", "verify", "--twice")
    assert list((project.root / ".cache").iterdir()) == [], "the scratch clone is gone"
    weights = (project.root / "models/final/weights").read_text()
    told = json.loads(project.run("dxtune", "verify", "--twice", "--json", code=1, CHANCE="other"))
    (finding,) = told["checks"]["twice"]["findings"]
    assert finding["file"] == "models/final/weights"
    assert finding["found"] == f"another byte at offset {len(weights)} of {len(weights)}"


def test_a_second_build_is_of_a_commit_and_says_why_it_fails(project: Project) -> None:
    project.change("make.py", "stage = sys.argv[1]", 'stage = sys.argv[1]\nif ".cache" in os.getcwd(): sys.exit("no luck")')
    assert "expected a workspace as committed" in project.run("dxtune", "verify", "--twice", code=1)
    project.commit("bad luck")
    assert "no luck" in project.run("dxtune", "verify", "--twice", code=1)
