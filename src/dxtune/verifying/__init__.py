"""Whether a commit is what it says: the checks behind `dxtune verify`. No torch."""

from dxtune.verifying.verify import as_json, as_text, passed, verify, verify_staged

__all__ = ["as_json", "as_text", "passed", "verify", "verify_staged"]
