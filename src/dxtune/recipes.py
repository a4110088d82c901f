"""Recipes: overlays that are written into params.yaml."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dxtune.errors import ParamsError
from dxtune.params import load_params


def apply_recipe(recipe: Path, overrides: list[str], target: Path) -> list[str]:
    """The changes, as `key: old -> new` lines, that a recipe and KEY=VALUE overrides made in a params file.

    Comments and order stay. The result is validated first: ParamsError, and nothing written, where it is wrong.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    params = yaml.load(target.read_text(encoding="utf-8"))
    changes: list[str] = []
    wanted = dict([*_leaves(_read(yaml, recipe), params), *(_override(yaml, text) for text in overrides)])
    for key, value in wanted.items():
        section, _, name = key.rpartition(".")
        values = params.get(section, {}) if section else params
        if name not in values or (not section and isinstance(values[name], dict)):
            raise ParamsError(f"{recipe.name}: unknown key {key}: the keys are those of {target.name} (dxtune params show)")
        if values[name] != value:
            changes.append(f"{key}: {_flow(values[name])} -> {_flow(value)}")
            values[name] = value
    aside = target.with_name(f".{target.name}.part")
    buffer = io.StringIO()
    yaml.dump(params, buffer)
    aside.write_text(buffer.getvalue(), encoding="utf-8")
    try:
        load_params(aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return changes


def _read(yaml: YAML, recipe: Path) -> Any:
    try:
        return yaml.load(recipe.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        found = ", ".join(sorted(path.name for path in recipe.parent.glob("*.yaml"))) or "none"
        raise ParamsError(f"expected a recipe at {recipe}, found no such file; there are: {found}") from None
    except YAMLError as error:
        raise ParamsError(f"{recipe} is not YAML ({type(error).__name__}): compare it with another recipe") from None


def _leaves(overlay: Any, params: dict[str, Any]) -> list[tuple[str, Any]]:
    """The keys and values of a recipe: those in sections, and those that have none in `params` (task)."""
    if not isinstance(overlay, dict) or any(
        isinstance(values, dict) != isinstance(params.get(name, {}), dict) for name, values in overlay.items()
    ):
        raise ParamsError("a recipe has the shape of params.yaml: sections with keys under them, such as train: {lr: 3e-5}")
    sections = {name: values for name, values in overlay.items() if isinstance(values, dict)}
    top = [(name, value) for name, value in overlay.items() if name not in sections]
    return top + [(f"{section}.{name}", value) for section, values in sections.items() for name, value in values.items()]


def _override(yaml: YAML, text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ParamsError(f"expected KEY=VALUE such as train.lr=3e-5, found {text!r}")
    return key, yaml.load(value)


def _flow(value: Any) -> str:
    return repr(dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value)
