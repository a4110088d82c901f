"""De-identification: find, replace, audit. `Deidentifier` is all that a stage needs."""

from dxtune.deid.deidentifier import Deidentifier
from dxtune.deid.spans import Span

__all__ = ["Deidentifier", "Span"]
