"""Every stage reads and writes what dvc.yaml declares and nothing else, runs the code and the packages that its fingerprint
names, and asks no network.

Each runs in a folder of its own in which nothing but what is declared stands: what Rust or C++ reads is missing there, too.
An audit hook in all of its processes tells what else was asked for.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from dxtune import code, fingerprints
from dxtune.params import load_params
from tests.conftest import ROOT, build_tiny_model
from tests.pipeline.conftest import SMALL, set_param

HOOK = """
import atexit, json, os, socket, sys
log, root = os.open(os.environ["AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT), os.environ["AUDITED"] + os.sep

def tell(*what):
    os.write(log, (json.dumps(what) + chr(10)).encode())

def hook(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(root):
            writes = event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
            tell("writes" if writes else "reads", path[len(root):])
    elif event == "socket.connect" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        tell("connects", str(arguments[1]))
    elif event == "socket.getaddrinfo":
        tell("connects", str(arguments[0]))
    elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        tell("starts", str(arguments[0]))

sys.addaudithook(hook)
atexit.register(lambda: tell("loads", sorted(sys.modules)))
"""
ALWAYS = ["params.yaml", "dvc.yaml", fingerprints.RECORD]
"""What every stage reads: its settings, where they are declared, and its fingerprint."""
ENGINES = {"jax", "numba", "peft", "safetensors", "scipy", "spacy", "tensorflow", "tokenizers", "torch"}
"""What computes, whoever loads it. All that stages name is looked for, too."""
IDLE = {"pydantic", "pyyaml", "jinja2", "markupsafe"}
"""Loaded by every stage to read settings, and by transformers for templates of chats: named only where a stage imports them."""
SETTINGS = {
    **SMALL,
    "data": {"workers": 2},
    "tokenize": {"max_tokens": 64, "max_truncated_share": 1.0},
}
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@dataclass(frozen=True)
class Seen:
    """What a stage did in its folder: events of the hook by kind, and files that it left. whole: where all outputs are."""

    root: Path
    whole: Path
    events: dict[str, set[str]]
    written: set[str]


def declared(stage: str) -> tuple[list[str], list[str]]:
    """What dvc.yaml says that a stage reads and writes: files and folders."""
    its = PIPELINE[stage]
    reads = [str(name).replace("${collect.path}", "src/dxtune/sources/synthetic.yaml") for name in its.get("deps", ())]
    outs = [*its.get("outs", ()), *its.get("metrics", ()), *its.get("plots", ())]
    return reads, [next(iter(out)) if isinstance(out, dict) else out for out in outs]


def among(name: str, places: list[str]) -> bool:
    """Whether a file is one of some places, or stands in one, or is a folder around one."""
    return any(name == place or name.startswith(f"{place}/") or place.startswith(f"{name}/") for place in places)


def below(root: Path) -> dict[str, int]:
    """The files in a folder and when they were changed."""
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """All stages, each run in a new folder that holds what it declares, as the stages before it made it."""
    home = tmp_path_factory.mktemp("hermetic")
    whole = home / "whole"
    for name in ("params.yaml", "dvc.yaml", "locks/key.json"):
        (whole / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, whole / name)
    shutil.copytree(ROOT / "src", whole / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build_tiny_model(whole / "source/tiny")
    for section, changes in SETTINGS.items():
        for key, value in changes.items():
            set_param(whole, section, key, value)
    (home / "hook").mkdir()
    (home / "hook/sitecustomize.py").write_text(HOOK)
    return {stage: run(stage, home, whole) for stage in PIPELINE}


def run(stage: str, home: Path, whole: Path) -> Seen:
    """Runs a stage in a folder of its own, and moves what it made to where the next ones find it."""
    root, log = home / stage, home / f"{stage}.log"
    for name in sources(stage, whole):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        place = shutil.copytree if (whole / name).is_dir() else shutil.copy2
        place(whole / name, root / name)
    before = below(root)
    own = {"PATH": os.environ["PATH"], "HOME": str(home / "nobody"), "AUDIT": str(log), "AUDITED": str(root)}
    own |= {"PYTHONPATH": f"{home / 'hook'}{os.pathsep}{root / 'src'}", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dxtune", stage], cwd=root, env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{stage}, where nothing but what it declares stands: {done.stderr[-3000:]}"
    events: dict[str, set[str]] = {"reads": set(), "writes": set(), "connects": set(), "starts": set(), "loads": set()}
    for line in log.read_text().splitlines():
        kind, what = json.loads(line)
        events[kind] |= set(what) if kind == "loads" else {what}
    after = below(root)
    for out in declared(stage)[1]:
        if (root / out).is_file():
            (whole / out).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / out, whole / out)
        else:
            shutil.copytree(root / out, whole / out)
    return Seen(root, whole, events, {name for name, changed in after.items() if before.get(name) != changed})


def sources(stage: str, whole: Path) -> Iterator[str]:
    """What a stage may read: what it declares, the modules of the package, and those data files that its fingerprint counts."""
    yield from (name for name in [*ALWAYS, *declared(stage)[0]] if (whole / name).exists())
    yield from (str(path.relative_to(whole)) for path in (whole / "src").rglob("*.py"))
    stages = [stage] if stage in fingerprints.STAGES else fingerprints.STAGES
    counted = {file for each in stages for file in code.data_files(fingerprints.stage_modules(each, settings(whole)))}
    yield from (f"src/{path.relative_to(ROOT / 'src')}" for path in counted)
    yield from base_model(stage)


def base_model(stage: str) -> list[str]:
    """The folder that model.name names, if the stage looks at it."""
    return ["source/tiny"] if "files.base_model" in str(PIPELINE[stage].get("params", "files.base_model")) else []


@cache
def settings(root: Path) -> Any:
    return load_params(root / "params.yaml")


@pytest.mark.parametrize("stage", PIPELINE)
def test_it_reads_and_writes_what_is_declared(seen: dict[str, Seen], stage: str) -> None:
    reads, outs = declared(stage)
    places = [*ALWAYS, "src", ".cache", *base_model(stage), *reads, *outs]
    other = {name for name in seen[stage].events["reads"] if not among(name, places)}
    assert not {name for name in other if (seen[stage].whole / name).exists()}, "reads that dvc.yaml does not declare"
    written = {re.sub(r"\.([^/]+)\.part", r"\1", name) for name in seen[stage].written | seen[stage].events["writes"]}
    assert not {name for name in written if not among(name, [".cache", *outs])}, "writes that dvc.yaml does not declare"


@pytest.mark.parametrize("stage", PIPELINE)
def test_it_asks_no_network_and_starts_no_program(seen: dict[str, Seen], stage: str) -> None:
    assert not seen[stage].events["connects"]
    assert not seen[stage].events["starts"]


@pytest.mark.parametrize("stage", fingerprints.STAGES)
def test_its_fingerprint_counts_all_code_that_it_loads(seen: dict[str, Seen], stage: str) -> None:
    loaded = {name for name in seen[stage].events["loads"] if name.startswith("dxtune.")}
    handed_on = {name for package in loaded if code.hands_on(package) for name in code.modules(package)}
    looking = {"dxtune.guard", "dxtune.workspace", *code.modules("dxtune.fingerprints")}
    other = loaded - fingerprints.stage_modules(stage, settings(seen[stage].root)).keys() - handed_on - looking
    assert not {name for name in other if not name.startswith(code.NOT_COUNTED)}, "loaded, and not counted"


@pytest.mark.parametrize("stage", fingerprints.STAGES)
def test_its_fingerprint_names_all_packages_that_it_loads(seen: dict[str, Seen], stage: str) -> None:
    named = json.loads((seen[stage].root / fingerprints.RECORD).read_text())["packages"]
    brought = packages_distributions()
    loaded = {package.lower() for name in seen[stage].events["loads"] for package in brought.get(name.partition(".")[0], ())}
    watched = {package for its in named.values() for package in its} | ENGINES
    assert not (loaded & watched) - named[stage].keys() - IDLE, "loaded, and not named"
