"""The key of the pseudonyms: yours for real notes, the public one for open data."""

import hashlib
import json
import os
import secrets
import stat
from pathlib import Path

from dxtune.errors import DataError, ParamsError
from dxtune.files import write_json

PUBLIC_KEY = b"dxtune public key: open data only"
FILE, RECORD = "dxtune.key", "locks/key.json"
_CREATE = "make one with `dxtune key`, keep it out of git, and back it up"


def public_key() -> bytes:
    """The key that everybody knows: pseudonyms made with it hide nothing from whoever has the record numbers."""
    return PUBLIC_KEY


def secret_key(root: Path) -> bytes:
    """The key in $DXTUNE_DEID_KEY, else in dxtune.key in $DVC_ROOT or `root`.

    Raises ParamsError where there is none, DataError where it is short or others may read it.
    """
    if value := os.environ.get("DXTUNE_DEID_KEY", "").strip():
        return _long_enough(value.encode(), "$DXTUNE_DEID_KEY")
    path = Path(os.environ.get("DVC_ROOT") or root) / "dxtune.key"
    if not path.is_file():
        raise ParamsError(
            "deidentify.key is secret: expected a key in $DXTUNE_DEID_KEY or in dxtune.key in the project's folder, "
            f"found none: {_CREATE}. For open data only: set deidentify.key to public"
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise DataError(f"dxtune.key has the mode {mode:o}, so that others may read it: expected 600: chmod 600 dxtune.key")
    return _long_enough(path.read_bytes().strip(), "dxtune.key")


def create(root: Path) -> bool:
    """Whether dxtune.key was made now: 256 random bits, readable by its owner alone. One that is there is left as it is."""
    path = Path(os.environ.get("DVC_ROOT") or root) / FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
    return True


def record(root: Path, key: bytes) -> str:
    """The fingerprint of a key, written to locks/key.json, on which the stage depends: another key, and it runs again."""
    fingerprint = fingerprint_of(key)
    write_json({"key_fingerprint": fingerprint}, root / RECORD)
    return fingerprint


def recorded_key(root: Path) -> bytes:
    """The secret key, once it is the one whose fingerprint locks/key.json holds. Raises ParamsError where it is another one."""
    key, path = secret_key(root), root / RECORD
    recorded = json.loads(path.read_text(encoding="utf-8"))["key_fingerprint"] if path.is_file() else "none"
    if (found := fingerprint_of(key)) != recorded:
        raise ParamsError(
            f"{RECORD} names the key {recorded}, but the key at hand is {found}: run `dxtune key` to take the one at hand (all notes are "  # noqa: E501
            "then de-identified again), or bring back the other one"
        )
    return key


def fingerprint_of(key: bytes) -> str:
    """12 hexadecimal digits that tell keys apart without telling the key."""
    return hashlib.sha256(b"fingerprint" + key).hexdigest()[:12]


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < 16:
        raise DataError(f"{where} holds {len(key)} bytes: expected 16 or more: {_CREATE}")
    return key
