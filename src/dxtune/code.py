"""The code that something runs, and hashes of it: comments, layout and docstrings do not count. Nothing is imported to know."""

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "dxtune"
NOT_COUNTED = ("dxtune.cli", "dxtune.code", "dxtune.errors", "dxtune.fingerprints", "dxtune.params", "dxtune.paths")
"""What changes no result. params.py refuses settings and changes none: their values count where they are used. The places in
paths.py are those that dvc.yaml declares."""


class Source(NamedTuple):
    """What the syntax tree of a module says."""

    hash: str
    imports: tuple[str, ...]
    """The dotted names that its import statements name, wherever they stand: dxtune.shards.read_json, torch.nn."""
    handed_on: Mapping[str, str] | None
    """Of an `__init__` that does nothing but hand on names: where each is from. None: it does more, or is none."""


def modules(root: str, chosen: Mapping[str, Collection[str]] = {}, without: Sequence[str] = ()) -> dict[str, Path]:
    """The modules of dxtune that a module imports, at any depth and inside functions too, and itself, with their files.

    A package that only hands on names counts for nothing: `from dxtune.shards import read_json` is an import of
    dxtune.shards.corpus, and of nothing else that is handed on there.
    chosen: which modules a function gives that chooses some at run time, by its dotted name; who imports it uses them.
    without: beginnings of names that do not count either.
    """
    seen: dict[str, Path] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or name in seen or (name != root and name.startswith((*NOT_COUNTED, *without))):
            continue
        seen[name] = path
        for imported in read(path).imports:
            waiting += [*chosen.get(imported, ()), *_homes(imported)]
    return dict(sorted(seen.items()))


def hands_on(name: str) -> bool:
    """Whether a module is a package that does nothing but hand on names, or has none."""
    return _handed_on(name) is not None


def hash_of(counted: Mapping[str, Path]) -> str:
    """One hash of modules, and of the data files beside them that they name."""
    files = [f"{file.name} {hashlib.blake2b(file.read_bytes()).hexdigest()}" for file in data_files(counted)]
    return digest([*(f"{name} {read(path).hash}" for name, path in counted.items()), *files])


def data_files(counted: Mapping[str, Path]) -> list[Path]:
    """The files that are no code and whose names stand in a module beside them, or in another such file: templates do that."""
    found: set[Path] = set()
    waiting = [path for name, path in counted.items() if name.startswith(PACKAGE)]
    while waiting:
        path = waiting.pop()
        text = _bytes(path)
        named = {file for file in _beside(path.parent) if file.name.encode() in text} - found
        found |= named
        waiting += named
    return sorted(found)


def fingerprint(fn: Callable[..., object]) -> str:
    """A hash of a module-level function, or of a functools.partial of one.

    What counts: the modules of dxtune that its module imports (`modules`), the data files that these name, and the arguments of
    the partial. What does not: dxtune.shards, of which mapping.FORMAT tells how shards are written; and other packages, whose
    versions the caller puts into `settings`.
    """
    parts: list[object] = []
    while isinstance(fn, partial):
        parts += [canonical(fn.args), canonical(fn.keywords)]
        fn = fn.func
    if "<" in fn.__qualname__:
        raise TypeError(f"expected a module-level function, found {fn.__qualname__}: workers cannot import it")
    return digest([fn.__module__, fn.__qualname__, *parts, _hash_below(fn.__module__)])


@cache  # as it was when it was imported, or soon after
def _hash_below(module: str) -> str:
    return hash_of(modules(module, without=["dxtune.shards"]))


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of packages that a result depends on: for the settings of map_shards."""
    return {package: version(package) for package in packages}


def canonical(value: object) -> object:
    """A value as JSON can hold it, the same for the same value: bytes by their hash, so that no key stands anywhere.

    >>> canonical({"b": (1, None), "a": frozenset(["y", "x"])})
    {'a': ['x', 'y'], 'b': [1, None]}
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return hashlib.blake2b(value, digest_size=20, person=b"canonical").hexdigest()
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, frozenset):
        return sorted((canonical(item) for item in value), key=str)
    if isinstance(value, Sequence):
        return [canonical(item) for item in value]
    raise TypeError(f"expected text, numbers, bytes and collections of them as arguments, found {type(value).__name__}")


def digest(value: Any) -> str:
    """40 hexadecimal digits: the hash of a value as JSON."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=20).hexdigest()


def read(path: Path) -> Source:
    """What a file says now; one that says the same as before is not parsed again."""
    return _parse(_bytes(path), path.name == "__init__.py")


def _bytes(path: Path) -> bytes:
    """What stands in a file, nothing where it is gone: another branch was checked out meanwhile."""
    return path.read_bytes() if path.is_file() else b""


@cache
def _parse(source: bytes, is_package: bool) -> Source:
    tree = ast.parse(source)
    for node in (tree, *_statements(tree)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body.pop(0)  # a docstring
    imports = [pair for node in _statements(tree) for pair in _imported(node)]
    only_hands_on = is_package and all(isinstance(node, ast.ImportFrom) or _is_all(node) for node in tree.body)
    handed_on = {name: origin for name, origin in imports if name} if only_hands_on else None
    found = hashlib.blake2b(ast.dump(tree).encode(), digest_size=20).hexdigest()
    return Source(found, tuple(origin for _, origin in imports), handed_on)


def _imported(node: ast.AST) -> list[tuple[str, str]]:
    """The names that an import statement brings, each with the dotted name of what it is."""
    if isinstance(node, ast.Import):
        return [(alias.asname or "", alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    return []


def _is_all(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a module, those inside others too; no expressions, which are most of a tree and import nothing."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(tree, name, ()):
            yield inner
            yield from _statements(inner)


def _homes(name: str) -> Iterator[str]:
    """The module that an imported name is, or that defines it, and the packages around it that do more than hand on names."""
    if not name.startswith(PACKAGE):
        return
    package, _, last = name.rpartition(".")
    if _file(name) is None:
        handed_on = _handed_on(package) or {}
        if last in handed_on:
            yield from _homes(handed_on[last])
            return
        name = package
    yield name
    parts = name.split(".")
    yield from (around for size in range(1, len(parts)) if not hands_on(around := ".".join(parts[:size])))


def _handed_on(package: str) -> Mapping[str, str] | None:
    path = _file(package)
    return read(path).handed_on if path else None


@cache
def _file(module: str) -> Path | None:
    """The source of a module, None where there is no such module."""
    if not module.startswith(PACKAGE):
        found = getattr(sys.modules.get(module), "__file__", None)
        return Path(found) if found else None
    base = Path(str(sys.modules[PACKAGE].__file__)).parent.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _beside(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".pyo")]
