"""What a sweep searches: KEY=log(1e-5,1e-4), KEY=range(2,6), KEY=[a,b,c], or KEY=VALUE, which is a list of one."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dxtune.errors import ParamsError
from dxtune.params import Params, read_value, validate

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SECTIONS = ("model", "tokenize", "train")
"""Settings before these change which notes validation is measured on, those after them nothing that it sees."""
BETWEEN = re.compile(r"(log|range)\(([^,()]+),([^,()]+)\)")
FORMS = "train.lr=log(1e-5,1e-4), train.epochs=range(2,5), train.batch_size=[8,16] or train.patience=3"


def read_space(texts: Sequence[str], params: Params) -> dict[str, "BaseDistribution"]:
    """The distribution of each key, in the order given; a range holds whole numbers where the present value is one.

    Raises ParamsError where a key or a value is not one that params.yaml may have, or a form is none of FORMS.
    """
    space: dict[str, BaseDistribution] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        section, _, name = key.partition(".")
        if not equals or not values or not name:
            raise ParamsError(f"expected KEY=VALUES such as {FORMS}, found {text!r}")
        if key in space:
            raise ParamsError(f"{key} is given twice: write its values as one list, such as {FORMS}")
        if section in Params.model_fields and section not in SECTIONS:
            raise ParamsError(
                f"{key}: expected a key of {', '.join(SECTIONS)}, found one of {section}: it changes the notes that trials are "
                "compared on, or nothing that validation sees: set it in params.yaml, and commit"
            )
        space[key] = _distribution(key, values, getattr(getattr(params, section, None), name, None))
    if not any(len(ends(each)) > 1 for each in space.values()):
        raise ParamsError(f"expected something to search, such as {FORMS}, found {', '.join(texts) or 'nothing'}")
    first = {key: ends(each)[0] for key, each in space.items()}
    for key, each in space.items():
        for value in ends(each):
            check(params, first | {key: value})
    return space


def ends(distribution: "BaseDistribution") -> list[Any]:
    """The choices, or the two ends of a range."""
    if hasattr(distribution, "choices"):
        return list(distribution.choices)
    return [distribution.low, distribution.high]  # type: ignore[attr-defined]


def check(params: Params, changes: Mapping[str, Any]) -> None:
    """Raises ParamsError unless the settings with these changes, by key such as train.lr, are valid."""
    values = params.model_dump()
    for key, value in changes.items():
        section, _, name = key.partition(".")
        values.setdefault(section, {})[name] = value
    validate(values, Path("params.yaml"))


def _distribution(key: str, text: str, present: Any) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not (between := BETWEEN.fullmatch(text)):
        value = read_value(text)
        choices = value if isinstance(value, list) else [value]
        if not choices or any(isinstance(each, (list, dict)) for each in choices) or "(" in text:
            raise ParamsError(f"{key}={text}: expected one of the forms {FORMS}")
        return CategoricalDistribution(choices)
    scale, low, high = between[1], *(read_value(part.strip()) for part in between.groups()[1:])
    numbers = [each for each in (low, high) if isinstance(each, (int, float)) and not isinstance(each, bool)]
    if len(numbers) < 2 or not low < high or (scale == "log" and low <= 0):
        raise ParamsError(f"{key}={text}: expected two numbers, the lower first, above 0 for log: {FORMS}")
    if isinstance(present, float):
        return FloatDistribution(low, high, log=scale == "log")
    if not all(isinstance(each, int) for each in numbers):
        raise ParamsError(f"{key}={text}: expected whole numbers, such as those of params.yaml ({key}: {present})")
    return IntDistribution(low, high, log=scale == "log")
