"""Every error that dxtune raises on purpose: one tree, four leaves.

A message says what was expected, what was found, and what to do. It names notes by id and offsets, never by text.
"""

import os
import traceback


class DxtuneError(Exception):
    """The root: `except DxtuneError` catches everything that dxtune raises on purpose."""


class ParamsError(DxtuneError):
    """params.yaml is wrong: key, value, what is allowed, did you mean."""


class DataError(DxtuneError):
    """The input is wrong: file, row, column, what was expected, what to do."""


class LeakageError(DxtuneError):
    """Patients, texts or PHI cross a line that they must not cross."""


class ModelError(DxtuneError):
    """The model or its files are wrong: name, revision, checksum, label map."""


def unexpected(error: BaseException) -> str:
    """What is told of an exception that nobody raised on purpose: its type and where. Its message may quote a note.

    Only where the environment says DXTUNE_DEBUG=1 the message is there, too: for a machine whose screen and logs may hold PHI.
    """
    if os.environ.get("DXTUNE_DEBUG") == "1":
        return "".join(traceback.format_exception(error)).rstrip()
    kind = type(error).__qualname__
    if isinstance(error, OSError) and error.errno:
        kind += f" ({os.strerror(error.errno)})"  # the disk is full, mostly; a file's name may be a patient's
    calls = traceback.extract_tb(error.__traceback__)
    places = [f"  {call.filename}, line {call.lineno}, in {call.name}" for call in calls]
    hint = "Its message may quote a note, so it is not shown: DXTUNE_DEBUG=1 shows it, where screen and logs may hold PHI"
    return "\n".join([f"unexpected {kind}, raised in the last of these calls:", *places, hint])
