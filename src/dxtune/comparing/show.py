"""A comparison for a terminal, for a program (JSON) and for a pull request (Markdown).

The last two leave the machine, so counts of 1 to 9 patients are not in them. Notes are named by id, never by text.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from dxtune.records import SMALLEST_GROUP

SMALL = {"patients_below_10": 1}
"""In the place of a count of 1 to 9 patients, and of the figures of so few."""
IDEAL = {"calibration_slope": 1.0, "calibration_intercept": 0.0, "overconfidence": 0.0}
"""Figures of which neither more nor less is better: what is compared is how far they are from this, under NAME_error."""
LOWER_IS_BETTER = frozenset(["brier", "ece", "perplexity", *(f"{name}_error" for name in IDEAL)])
IDS_SHOWN = 20
NOTE = (
    "Difference: {b} less {a} on the same notes, with its 95 % interval over {resamples} resamples of patients. No evidence: "
    "the interval holds 0. Of 20 rows without a real change, about one is called better or worse."
)
REASONS = {
    "only_in_a": "only in {a}",
    "only_in_b": "only in {b}",
    "other_label_or_patient": "with another label or patient",
    "only_a_right": "Right in {a} alone",
    "only_b_right": "Right in {b} alone",
}


def as_json(figures: dict[str, Any]) -> str:
    """The figures without small counts."""
    return json.dumps(shareable(figures), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)


def as_text(figures: dict[str, Any]) -> str:
    """Tables for a terminal, with all counts."""
    table, by_group = metrics(figures), groups(figures)
    parts = [f"{figures['a']} -> {figures['b']}: {figures['task']}, {size(figures)}", *left_out(figures)]
    parts += ["", *_columns(table)]
    if len(by_group) > 1:
        parts += ["", *_columns(by_group)]
    for line, ids in flips(figures):
        parts += ["", line, *([f"  {_few(ids)}"] if ids else [])]
    return "\n".join([*parts, "", NOTE.format(**figures)])


def as_markdown(figures: dict[str, Any]) -> str:
    """A comment for a pull request, without small counts. Names from data are escaped."""
    figures = shareable(figures)
    parts = [f"### {escape(figures['a'])} → {escape(figures['b'])}: {figures['task']}", "", f"{size(figures)}."]
    parts += [f"{escape(line)}." for line in left_out(figures)]
    parts += ["", *_pipes(metrics(figures))]
    by_group = groups(figures)
    if len(by_group) > 1:
        parts += ["", "<details><summary>Subgroups</summary>", "", *_pipes(by_group), "", "</details>"]
    for line, ids in flips(figures):
        parts += ["", escape(line), *([f"<details><summary>ids</summary>{escape(_few(ids))}</details>"] if ids else [])]
    return "\n".join([*parts, "", escape(NOTE.format(**figures))])


def shareable(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures without counts of 1 to 9 patients, and without the ids of their notes.

    Of notes that flipped, both directions go where one is small, and of McNemar's p the digits: with the difference of
    accuracies, one of the three gives the others.

    >>> shareable({"notes": 9, "patients": 3, "left_out": {}})
    {'left_out': {}, 'patients_below_10': 1}
    """

    def small(cell: dict[str, Any]) -> bool:
        return 0 < int(cell["patients"]) < SMALLEST_GROUP

    made = {**figures, "left_out": {name: SMALL if small(cell) else cell for name, cell in figures["left_out"].items()}}
    if any(small(cell) for cell in figures.get("flipped", {}).values()):
        made["flipped"] = dict.fromkeys(figures["flipped"], SMALL)
        made["mcnemar_p_below_0.05"] = made.pop("mcnemar_p") < 0.05
    if small(figures):
        del made["notes"], made["patients"]
        made |= SMALL
    return made


def escape(text: str) -> str:
    """The text as Markdown shows it and does not read it: what is no letter, digit or plain mark becomes an HTML entity.

    >>> escape("<b> | @all")
    '&#60;b&#62; &#124; &#64;all'
    """
    return re.sub(r"[^\w\s.,:;()'=%+/-]", lambda match: f"&#{ord(match[0])};", " ".join(text.split()))


def metrics(figures: dict[str, Any]) -> list[list[str]]:
    """A table of all metrics, its heading first."""
    rows = [_row(_arrow(name), cell) for name, cell in figures["metrics"].items()]
    return [["metric", figures["a"], figures["b"], "difference", "95 % interval", "verdict"], *rows]


def groups(figures: dict[str, Any]) -> list[list[str]]:
    """A table of the subgroups, its heading first; the heading alone where there are none."""
    heading = [f"{figures['subgroup_metric']} of", figures["a"], figures["b"], "difference", "95 % interval", "verdict"]
    return [
        heading,
        *(
            _row(f"{column}: {value}", cell) if "a" in cell else [f"{column}: {value}", *[""] * 4, "under 10 patients"]
            for column, groups in figures["subgroups"].items()
            for value, cell in groups.items()
        ),
    ]


def _row(name: str, cell: dict[str, Any]) -> list[str]:
    """One line of a table; what the sample does not define is a dash."""

    def number(key: str, form: str) -> str:
        return format(cell[key], form) if key in cell else "-"

    interval = f"{number('difference_low', '+.4f')} to {number('difference_high', '+.4f')}"
    if failed := cell.get("difference_undefined_resamples"):
        interval += f" ({failed} resamples undefined)"
    return [name, number("a", ".4f"), number("b", ".4f"), number("difference", "+.4f"), interval, cell["verdict"]]


def _arrow(name: str) -> str:
    return f"{name} (lower is better)" if name in LOWER_IS_BETTER else name


def size(cell: dict[str, Any]) -> str:
    """How many notes there are, of how many patients, within a sentence."""
    return f"{cell['notes']} notes of {cell['patients']} patients" if "patients" in cell else "notes of fewer than 10 patients"


def left_out(figures: dict[str, Any]) -> list[str]:
    """A line about the notes that are not compared; none where the test sets are the same."""
    cells = {name: cell for name, cell in figures["left_out"].items() if cell.get("notes") != 0}
    told = [f"{REASONS[name].format(**figures)}: {size(cell)}" for name, cell in cells.items()]
    return [f"The test sets differ; left out are notes {'; '.join(told)}"] if told else []


def flips(figures: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """A line and ids for each direction, and last the line of McNemar's test; nothing where no note is right or wrong."""
    if "flipped" not in figures:
        return []
    found = figures["flipped"].items()
    if (p := figures.get("mcnemar_p")) is None:
        test = "p < 0.05" if figures["mcnemar_p_below_0.05"] else "p at least 0.05"
    else:
        test = "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"
    lines = [(f"{REASONS[name].format(**figures)}: {size(cell)}", cell.get("note_ids", [])) for name, cell in found]
    return [*lines, (f"McNemar's exact test (every note on its own, whosever it is): {test}", [])]


def _few(ids: Sequence[str]) -> str:
    more = len(ids) - IDS_SHOWN
    return ", ".join(ids[:IDS_SHOWN]) + (f" and {more} more: --json" if more > 0 else "")


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _pipes(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    heading, *others = [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return [heading, f"|{' --- |' * len(rows[0])}", *others]
