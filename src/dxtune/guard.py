"""What is recorded of a stage is what ran: `honest` fails a stage whose code, packages, settings or inputs changed meanwhile.

DVC itself looks at them once the stage is done (https://github.com/treeverse/dvc/issues/11058).
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from dxtune import fingerprints
from dxtune.errors import DataError
from dxtune.params import Params, load_params
from dxtune.paths import Paths

PIPELINE = "dvc.yaml"


@contextmanager
def honest(stage: str, params: Params, paths: Paths) -> Iterator[None]:
    """Runs a stage between two looks at all that dvc.yaml says it depends on.

    Raises DataError where locks/fingerprint.json does not say what is about to run, and where something is another at the end:
    then finished shards and other work that would be reused are removed, for nobody knows by what they were made.
    """
    declared = _declared(stage, paths)
    before = _inputs(declared, params, paths)
    for key in _fingerprint_keys(declared):
        if before[key] != fingerprints.recorded(key, paths):
            raise DataError(
                f"{stage}: expected {fingerprints.RECORD} to say what is about to run, but its {key} is of other code, "
                "packages or files than are here: run dvc repro, which looks at them first (by hand: dxtune fingerprint)"
            )
    try:
        yield
    except SystemExit as ended:  # of a stage that has had others do its work
        if ended.code:
            raise
    after = _inputs(declared, load_params(paths.root / "params.yaml"), paths)
    if changed := sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
        _forget(stage, declared, paths)
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise DataError(
            f"{stage}: expected nothing that it depends on to change while it ran, but {changed[0]}{others} did: what it made "
            "is not recorded. Leave code, settings and data alone until a stage is done, and run dvc repro again"
        )


def _declared(stage: str, paths: Paths) -> dict[str, Any]:
    """What dvc.yaml says of a stage."""
    file = paths.root / PIPELINE
    try:
        return dict(yaml.safe_load(file.read_text(encoding="utf-8"))["stages"][stage])
    except FileNotFoundError:
        raise DataError(f"expected the pipeline in {file}, found no such file: run dvc repro in the project's folder") from None


def _inputs(declared: Mapping[str, Any], params: Params, paths: Paths) -> dict[str, object]:
    """Its settings, code, packages and files as they are now, by name; of files the size and the time of the last change."""
    values = params.model_dump()
    found: dict[str, object] = {}
    for entry in declared["params"]:
        if isinstance(entry, str):
            found[entry] = _leaf(values, entry)
        else:
            found |= {key: fingerprints.current(key, params, paths) for key in entry[fingerprints.RECORD]}
    for dependency in declared.get("deps", ()):
        place = paths.root / re.sub(r"\$\{(.+?)\}", lambda match: str(_leaf(values, match[1])), dependency)
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                found[str(path)] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def _fingerprint_keys(declared: Mapping[str, Any]) -> list[str]:
    return [key for entry in declared["params"] if isinstance(entry, dict) for key in entry[fingerprints.RECORD]]


def _leaf(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def _forget(stage: str, declared: Mapping[str, Any], paths: Paths) -> None:
    """Removes what a later run would take for its own: shards in the cache, and outputs that DVC leaves where they are."""
    for folder in paths.shard_cache.glob(f"{stage}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for out in declared.get("outs", ()):
        for name, how in out.items() if isinstance(out, dict) else ():
            if how.get("persist"):
                shutil.rmtree(paths.root / name, ignore_errors=True)
