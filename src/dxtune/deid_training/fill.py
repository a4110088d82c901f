"""Fills template families: texts with known identifiers, from which the scorer learns and on which it is measured."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from dxtune.deid_training.values import Values

FAMILIES = Path(__file__).parent / "families"
SLOT = re.compile(r"\{([A-Z_0-9]+)(?:#([0-9]))?(?::([a-z]+))?(?:#([0-9]))?\}")
PEOPLE = {"NAME", "LAST_FIRST", "FIRST", "LAST", "INITIAL_LAST", "FIRST_INITIAL", "INITIALS"}
PLACES = {"STREET": "LOCATION", "CITY": "LOCATION", "COUNTY": "LOCATION", "ZIP": "LOCATION"}
SITES = {"HOSPITAL": "FACILITY", "CLINIC": "FACILITY", "EMPLOYER": "FACILITY", "SCHOOL": "FACILITY", "PLACE": "FACILITY"}
OTHERS = {
    "DATE": "DATE", "MONTH_YEAR": "DATE", "MONTH": "DATE", "AGE90": "AGE", "PHONE": "PHONE", "PAGER": "PHONE", "FAX": "FAX", "EMAIL": "EMAIL",  # noqa: E501
    "SSN": "SSN", "SSN4": "SSN", "MRN": "MRN", "HEALTH_PLAN": "HEALTH_PLAN", "ACCOUNT": "ACCOUNT", "LICENSE": "LICENSE", "NPI": "LICENSE", "DEA": "LICENSE",  # noqa: E501
    "VIN": "VEHICLE", "PLATE": "VEHICLE", "DEVICE": "DEVICE", "URL": "URL", "IP": "IP", "BIOMETRIC": "BIOMETRIC", "PHOTO": "PHOTO", "ID": "ID", "USERNAME": "ID",  # noqa: E501
}  # fmt: skip
TYPES = dict.fromkeys(PEOPLE, "NAME") | PLACES | SITES | OTHERS
SAFE = {
    "STATE",
    "COUNTRY",
    "YEAR",
    "TIME",
    "AGE",
    "DRUG",
    "DOSE",
    "EPONYM",
    "LAB",
    "VITAL",
    "DX",
    "PROC",
    "ORGANISM",
    "SCORE",
    "NUM",
    "SEX_AGE",
}
NEUTRAL = {"STATE", "COUNTRY"}


@dataclass
class Filled:
    """A filled block: its text, the gold spans (start, end, type), the neutral ones, and the family."""

    text: str
    family: str
    gold: list[tuple[int, int, str]] = field(default_factory=list)
    neutral: list[tuple[int, int, str]] = field(default_factory=list)


def read_family(path: Path) -> list[str]:
    """The blocks of a family, in order."""
    text = path.read_text(encoding="utf-8").partition("\n")[2]
    return [block.strip("\n") for block in re.split(r"^---[ \t]*$", text, flags=re.M) if block.strip()]


def fill(block: str, family: str, values: Values) -> Filled:
    """One block with a value in each slot."""
    people: dict[str, tuple[str, str, str]] = {}
    filled, parts, at, done = Filled("", family), [], 0, 0
    for slot in SLOT.finditer(block):
        kind, number, style = slot[1], slot[2] or slot[4], slot[3] or ""
        before = block[done : slot.start()]
        parts.append(before)
        at += len(before)
        if kind in PEOPLE:
            who = people.setdefault(number, values.person()) if number else values.person()
            value = values.name(kind, who)
        else:
            value = values.value(kind, style)
        value = value.upper() if style == "upper" else value.lower() if style == "lower" else value
        if kind in TYPES:
            filled.gold.append((at, at + len(value), TYPES[kind]))
        elif kind in NEUTRAL:
            filled.neutral.append((at, at + len(value), kind))
        parts.append(value)
        at += len(value)
        done = slot.end()
    parts.append(block[done:])
    filled.text = "".join(parts)
    return filled


def corpus(folder: Path, copies: int, seed: int) -> list[Filled]:
    """Every block of every family in a folder, filled `copies` times; some in capitals or small letters throughout."""
    filled = []
    for path in sorted(folder.glob("*.txt")):
        for number, block in enumerate(read_family(path)):
            for copy in range(copies):
                values = _values(seed)
                values.random.seed(f"{seed} {path.stem} {number} {copy}")
                one = fill(block, path.stem, values)
                roll = values.random.random()
                text = one.text.lower() if roll < 0.06 else one.text.upper() if roll < 0.12 else one.text
                if len(text) == len(one.text):
                    one.text = text
                filled.append(one)
    return filled


_MADE: dict[int, Values] = {}


def _values(seed: int) -> Values:
    if seed not in _MADE:
        _MADE[seed] = Values(seed)
    return _MADE[seed]
