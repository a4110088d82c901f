"""Hashes of files, remembered while a file stays as it is: to learn that a corpus is the same it is not read again.

A file is the same while its device, inode, size and time of change are, to the nanosecond, as dvc and git see it. One that
changed in the last seconds is not remembered: it could change again without a sign.
"""

import hashlib
import json
import time
from pathlib import Path

from dxtune.files import write_text
from dxtune.shards.corpus import read_bytes

FILE = "hashes.json"
SETTLED_S = 2.0
MOST = 50_000
"""Files that are remembered; what was asked for last stays."""


class Hashes:
    """The hashes of files (SHA-256), with a memory in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        try:
            self._known = {str(key): str(value) for key, value in json.loads(self._file.read_text(encoding="utf-8")).items()}
        except (OSError, ValueError, AttributeError):
            self._known = {}

    def of(self, path: str | Path) -> str:
        """The hash of a local file, or of one behind an fsspec URL, which is always read. Raises OSError where none is."""
        if "://" in str(path):
            return hash_bytes(read_bytes(str(path)))
        key, changed = _key(Path(path))
        found = self._known.pop(key, None) or hash_bytes(Path(path).read_bytes())
        if changed < time.time() - SETTLED_S:
            self._known[key] = found
        return found

    def remember(self, path: Path, found: str) -> None:
        """Takes the hash of a local file that was just written and that nobody writes again."""
        self._known[_key(path)[0]] = found

    def save(self) -> None:
        """Remembers for the next run. Of two runs at once one may forget what the other has read."""
        write_text(json.dumps(dict(list(self._known.items())[-MOST:])), self._file)


def _key(path: Path) -> tuple[str, float]:
    """By what a local file is known, and when it was changed."""
    status = path.stat()
    return f"{status.st_dev}-{status.st_ino}-{status.st_size}-{status.st_mtime_ns}", status.st_mtime


def hash_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal digits: processors have instructions for it, and then nothing else is as fast."""
    return hashlib.sha256(data).hexdigest()
