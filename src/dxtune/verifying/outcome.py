"""What a check says: nothing to say against it, findings, or why it could not be made."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. file: with its line, where there is one; never a text out of it."""

    file: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}: {self.remedy}"


@dataclass(frozen=True)
class Outcome:
    """Of one check. note: what there is to know beside; skipped: there is nothing that it could look at, as the note says."""

    findings: Sequence[Finding] = ()
    note: str = ""
    skipped: bool = False

    @property
    def status(self) -> str:
        """ok, FAILED or skipped."""
        return "FAILED" if self.findings else "skipped" if self.skipped else "ok"
