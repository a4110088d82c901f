"""The key of the pseudonyms: yours for real notes, the public one for open data."""

import os
import stat
from pathlib import Path

from dxtune.errors import DataError, ParamsError

PUBLIC_KEY = b"dxtune public key: open data only"
_CREATE = "make one with `umask 077; openssl rand -hex 32 > dxtune.key`, keep it out of git, and back it up"


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


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < 16:
        raise DataError(f"{where} holds {len(key)} bytes: expected 16 or more: {_CREATE}")
    return key
