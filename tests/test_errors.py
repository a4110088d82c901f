"""errors.py: what is told of an exception that nobody raised on purpose."""

import pytest

from dxtune.errors import unexpected

NOTE = "Mrs. Winterbottom came on 3/4/2019"


def fails() -> None:
    try:
        raise ValueError(NOTE)
    except ValueError as error:
        raise KeyError(NOTE) from error


def told() -> str:
    try:
        fails()
    except KeyError as error:
        return unexpected(error)
    raise AssertionError


def test_type_and_place_are_told_and_no_message() -> None:
    lines = told().splitlines()
    assert lines[0].startswith("unexpected KeyError")
    assert lines[-2].endswith("in fails") and f"{__file__}, line " in lines[-2]
    assert "Winterbottom" not in told() and "DXTUNE_DEBUG=1" in lines[-1]


def test_the_message_is_there_where_the_environment_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DXTUNE_DEBUG", "1")
    assert told().count(NOTE) == 2 and "Traceback" in told()


def test_what_the_operating_system_says_is_told() -> None:
    error = OSError(28, "No space left on device", f"{NOTE}.txt")
    assert unexpected(error).startswith("unexpected OSError (No space left on device)")
    assert "Winterbottom" not in unexpected(error)
