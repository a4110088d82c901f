"""The crash drill: what counts as explained. That killed runs end well: tests/pipeline/test_dvc.py."""

from pathlib import Path

import pytest

from benchmarks import crash_drill
from tests.pipeline.conftest import Project

FAILED = "ERROR: failed to reproduce 'train': failed to run: dxtune train, exited with 1\n"


def test_an_error_is_an_explanation_and_a_traceback_is_none() -> None:
    full = "unexpected OSError (No space left on device), raised in the last of these calls:\n  a.py, line 3, in f\n"
    assert crash_drill.explained(f"Running stage 'train':\n{full}{FAILED}").startswith("unexpected OSError (No space left")
    assert crash_drill.explained(f"DataError: expected room, found none\n{FAILED}").startswith("DataError: expected")
    assert crash_drill.explained(f"Traceback (most recent call last):\nOSError: [Errno 28]\n{FAILED}") == ""
    assert crash_drill.explained("Killed\n") == ""


def test_a_lock_that_dvc_left_half_written_is_named_by_dvc_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path)
    for command in (("git", "init", "--quiet"), ("dvc", "init", "--quiet")):
        project.run(*command)
    stage = "stages:\n  one:\n    cmd: echo 1 > one\n    outs: [one]\n"
    (tmp_path / "dvc.yaml").write_text(stage, encoding="utf-8")
    expected = crash_drill.lock(project)
    (tmp_path / ".dvc/tmp/rwlock").write_text("")
    (tmp_path / "one").unlink()
    assert crash_drill.lock(project) == expected
    assert "Unable to read RWLock-file '.dvc/tmp/rwlock'" in capsys.readouterr().out
