"""A comparison as a page: the report of the workspace, with a section that holds it beside another revision."""

import math
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dxtune.comparing.show import NOTE, flips, groups, left_out, metrics, shareable, size
from dxtune.errors import DataError
from dxtune.files import read_json
from dxtune.params import Params
from dxtune.paths import Paths
from dxtune.reporting.figures import Axis, Estimate, interval_bar
from dxtune.reporting.report import make_report, words

MOST = 0.2
"""Of a difference that is drawn: perplexities and lines of calibration go far beyond what other metrics do."""


def as_page(figures: dict[str, Any], params: Params, paths: Paths) -> str:
    """report.html as `dxtune report` writes it, with this comparison in it, without small counts."""
    return make_report(params, paths, compared(shareable(figures)))


def read_section(previous: Path) -> dict[str, Any]:
    """What the section shows of metrics/previous.json: the comparison, or why there is none. Raises DataError on neither."""
    found = read_json(previous)
    if isinstance(found, dict) and "compared" in found:
        return compared(found["compared"])
    if not isinstance(found, dict) or "reason" not in found:
        raise DataError(f"{previous}: expected what was compared, or a reason, found neither: run dvc repro again")
    return {"reason": found["reason"]}


def compared(figures: dict[str, Any]) -> dict[str, Any]:
    """What the section shows: names of both sides, sentences, and tables of rows with a bar each."""
    table, by_group = metrics(figures), groups(figures)
    cells = [cell for column in figures["subgroups"].values() for cell in column.values()]
    return {
        "a": figures["a"],
        "b": figures["b"],
        "about": [f"{size(figures)}.", *(f"{line}." for line in left_out(figures))],
        "tables": [
            _table("Metrics", table, list(figures["metrics"].values())),
            *([_table("Subgroups", by_group, cells)] if cells else []),
        ],
        "flips": [line for line, _ in flips(figures)],
        "note": NOTE.format(**figures),
    }


def _table(title: str, rows: list[list[str]], cells: list[dict[str, Any]]) -> dict[str, Any]:
    heading, *rows = [[words(row[0]), *row[1:]] for row in rows]
    bars = [_bar(row[0], cell) for row, cell in zip(rows, cells, strict=True)]
    return {"title": title, "heading": heading, "rows": list(zip(rows, bars, strict=True)), "most": MOST}


def _bar(name: str, cell: dict[str, Any]) -> Markup:
    """The difference with its interval; nothing where it is not defined, or too large to be drawn beside the others."""
    value, low, high = (float(cell.get(f"difference{end}", math.inf)) for end in ("", "_low", "_high"))
    if max(abs(value), abs(low), abs(high)) > MOST:
        return Markup("")
    return interval_bar(Estimate(f"{name}, difference", value, low, high), Axis("", -MOST, MOST), reference=0.0)
