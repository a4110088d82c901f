"""The crash drill: what counts as explained. That killed runs end well: tests/pipeline/test_dvc.py."""

from benchmarks import crash_drill

FAILED = "ERROR: failed to reproduce 'train': failed to run: dxtune train, exited with 1\n"


def test_an_error_is_an_explanation_and_a_traceback_is_none() -> None:
    full = "unexpected OSError (No space left on device), raised in the last of these calls:\n  a.py, line 3, in f\n"
    assert crash_drill.explained(f"Running stage 'train':\n{full}{FAILED}").startswith("unexpected OSError (No space left")
    assert crash_drill.explained(f"DataError: expected room, found none\n{FAILED}").startswith("DataError: expected")
    assert crash_drill.explained(f"Traceback (most recent call last):\nOSError: [Errno 28]\n{FAILED}") == ""
    assert crash_drill.explained("Killed\n") == ""
