"""workspace.py: what an experiment's folder gets (tests/pipeline/test_queue.py has the real one), and what no other does."""

from pathlib import Path

import pytest

from dxtune import workspace


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a source/, and the folder of an experiment in which we are."""
    (tmp_path / "project/source").mkdir(parents=True)
    (tmp_path / "experiment").mkdir()
    monkeypatch.chdir(tmp_path / "experiment")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    return tmp_path / "project"


def test_source_is_a_link_to_that_of_the_project(project: Path) -> None:
    Path("dvc.yaml").touch()
    for _ in range(2):
        workspace.enter()
        assert Path("source").readlink() == project / "source"


def test_every_other_folder_is_left_as_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.enter()
    assert not list(Path().iterdir()), "it has no dvc.yaml"
    Path("dvc.yaml").touch()
    monkeypatch.delenv("DVC_ROOT")
    workspace.enter()
    assert not Path("source").exists()
