"""A fingerprint of a function: of the code that it runs, and of the arguments that it was given beforehand."""

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = "dxtune"
NOT_COUNTED = ("dxtune.shards", "dxtune.params", "dxtune.paths", "dxtune.errors", "dxtune.cli")
"""What does not change a result: mapping.FORMAT stands for how shards are written, `settings` for the values of params."""


def fingerprint(fn: Callable[..., object]) -> str:
    """A hash of a module-level function, or of a functools.partial of one.

    What counts: the syntax trees of its module and of the modules of dxtune that this imports, at any depth and also inside
    functions (comments and layout do not count), the data files that lie beside these modules, and the arguments of the
    partial. What does not: modules under other names that are chosen at run time, and other packages, whose versions the
    caller puts into `settings`.
    """
    parts: list[object] = []
    while isinstance(fn, partial):
        parts += [canonical(fn.args), canonical(fn.keywords)]
        fn = fn.func
    if "<" in fn.__qualname__:
        raise TypeError(f"expected a module-level function, found {fn.__qualname__}: workers cannot import it")
    return digest([fn.__module__, fn.__qualname__, *parts, *_sources(fn.__module__)])


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


@cache
def _sources(module: str) -> tuple[str, ...]:
    """The hashes of a module, of all that it imports of dxtune, and of the data files in their folders."""
    seen: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in seen or path is None or (name != module and name.startswith(NOT_COUNTED)):
            continue
        seen[name] = path
        waiting += _imports(name, path)
    parts = [f"{name} {hashlib.blake2b(ast.dump(_tree(path)).encode()).hexdigest()}" for name, path in sorted(seen.items())]
    folders = sorted({path.parent for name, path in seen.items() if name.startswith(PACKAGE)})
    data = [file for folder in folders for file in _data_files(folder)]
    return (*parts, *(f"{file.name} {hashlib.blake2b(file.read_bytes()).hexdigest()}" for file in data))


def _file(module: str) -> Path | None:
    """The source of a module, None where there is no such module. Nothing is imported that was not."""
    if not module.startswith(PACKAGE):
        found = getattr(sys.modules.get(module), "__file__", None)
        return Path(found) if found else None
    base = Path(str(sys.modules[PACKAGE].__file__)).parent.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _tree(path: Path) -> ast.Module:
    """The syntax tree without docstrings, which no result depends on."""
    tree = ast.parse(path.read_bytes())
    for node in (tree, *_statements(tree)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body.pop(0)
    return tree


def _imports(module: str, path: Path) -> Iterator[str]:
    """The modules of dxtune that a module names in its import statements, with the packages that they are in."""
    for node in _statements(_tree(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE:
                yield from (".".join(parts[:size]) for size in range(1, len(parts) + 1))


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a module, those inside others too; no expressions, which are most of a tree and import nothing."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(tree, name, ()):
            yield inner
            yield from _statements(inner)


def _data_files(folder: Path) -> Iterator[Path]:
    """The files in a folder of the package that are no code, and those in folders below it that are no packages."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").exists():
            yield from _data_files(path)
        elif path.is_file() and path.suffix not in (".py", ".pyc", ".pyo"):
            yield path
