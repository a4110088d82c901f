"""Every error that dxtune raises on purpose: one tree, four leaves.

A message says what was expected, what was found, and what to do. It names notes by id and offsets, never by text.
"""


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
