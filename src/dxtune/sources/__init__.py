"""Where records come from: one module a source, which `find_source` gives by the name in params.yaml."""

from importlib import import_module
from types import ModuleType


def find_source(name: str) -> ModuleType:
    """The module of a source, with `pieces` and `facts`."""
    return import_module(f"dxtune.sources.{name}")
