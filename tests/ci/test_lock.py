"""make lock: newer versions are written, tested and told; where tests fail both locks are there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAD = "# Every version"
PROJECT = """
[project]
name = "dxtune"
version = "1"
optional-dependencies = {dev = ["Some.Thing"]}
[tool.setuptools]
packages = []
"""


def wheel(folder: Path, version: str) -> None:
    info = f"some_thing-{version}.dist-info"
    with zipfile.ZipFile(folder / f"some_thing-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: Some.Thing\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that needs a package of which 1.0 is locked, with wheels of that and of 2.0; `make` and `dvc` are scripts."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/lock", tmp_path / ".ci")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(f"{HEAD}\nsome-thing==1.0\n")
    (tmp_path / "dvc.yaml").touch()
    for version in ("1.0", "2.0+cpu"):
        wheel(tmp_path, version)
    (tmp_path / "bin").mkdir()
    write(tmp_path, "make", "exit 0")
    write(tmp_path, "dvc", "echo \"Stage 'collect' didn't change, skipping\nRunning stage 'train':\n> dxtune train\"")
    return tmp_path


def write(project: Path, name: str, line: str) -> None:
    (project / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
    (project / "bin" / name).chmod(0o755)


def lock(project: Path) -> subprocess.CompletedProcess[str]:
    path = f"{project / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project), "PIP_NO_BUILD_ISOLATION": "0"}
    environment = os.environ | local | {"PATH": path}
    return subprocess.run([project / ".ci/lock"], env=environment, capture_output=True, text=True, check=False)


def locks(project: Path) -> dict[str, str]:
    return {path.name: path.read_text().splitlines()[1] for path in project.glob("requirements.lock*")}


def test_newer_versions_are_written_and_what_would_rerun_is_told(project: Path) -> None:
    done = lock(project)
    assert done.returncode == 0, done.stderr
    assert locks(project) == {"requirements.lock": "some-thing==2.0"}, "as a constraint it holds for every build of 2.0"
    assert (project / "requirements.lock").read_text().startswith(f"{HEAD}\n")
    assert "> some-thing==2.0" in done.stdout and done.stdout.splitlines()[-1] == "  train"
    assert "newest versions already" in lock(project).stdout


def test_where_tests_fail_both_locks_are_there(project: Path) -> None:
    write(project, "make", "exit 2")
    done = lock(project)
    assert done.returncode == 1 and "tests fail" in done.stderr and "mv requirements.lock.old requirements.lock" in done.stderr
    assert locks(project) == {"requirements.lock": "some-thing==2.0", "requirements.lock.old": "some-thing==1.0"}


def test_versions_that_do_not_fit_change_nothing(project: Path) -> None:
    for path in project.glob("*.whl"):
        path.unlink()
    assert lock(project).returncode != 0
    assert locks(project) == {"requirements.lock": "some-thing==1.0"}
